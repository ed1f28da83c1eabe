"""NVRTC and the CUDA driver through ctypes: compile, load and launch the kernel families exactly as the product does."""
import ctypes as C
import os
import re
import time

import torch

KERNELS = os.environ.get("MODGEN_KERNELS") or os.path.join(
    os.path.dirname(__file__), "..", "..", "..", "generators", "ModGen.Compiler", "Emit", "Cuda", "Kernels")
OPTIONS = ["--std=c++17", "--gpu-architecture=sm_90a", "--ptxas-options=-v"]


def _find_nvrtc():
    names = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", os.environ.get("MODGEN_NVRTC", "")]
    torch.cuda.init()
    with open("/proc/self/maps") as maps:  # PyTorch's own copy, where the system has none
        names += re.findall(r"(/\S*libnvrtc\.so\S*)", maps.read())
    names += ["/usr/local/cuda/lib64/libnvrtc.so"]
    for name in filter(None, names):
        try:
            return C.CDLL(name)
        except OSError:
            continue
    raise SystemExit("NVRTC was not found; set MODGEN_NVRTC to the path of libnvrtc.so")


torch.zeros(1, device="cuda")
_rtc, _cuda = _find_nvrtc(), C.CDLL("libcuda.so.1")


def machine():
    """The device and the versions that a measurement depends on."""
    major, minor, driver = C.c_int(), C.c_int(), C.c_int()
    _rtc.nvrtcVersion(C.byref(major), C.byref(minor))
    _check(_cuda.cuDriverGetVersion(C.byref(driver)), "cuDriverGetVersion")
    return dict(device=torch.cuda.get_device_name(0), driver=f"{driver.value // 1000}.{driver.value % 1000 // 10}", nvrtc=f"{major.value}.{minor.value}", torch=torch.__version__,
                cudnn=torch.backends.cudnn.version())


class Rejected(Exception):
    """A kernel that does not compile, spills, or has its wgmma instructions serialised."""


def sources(*families):
    return "".join(open(os.path.join(KERNELS, f + ".cuh")).read() for f in families)


def _check(code, call):
    if code != 0:
        name = C.c_char_p()
        _cuda.cuGetErrorName(code, C.byref(name))
        raise RuntimeError(f"{call} failed: {(name.value or b'?').decode()} ({code})")


compilations = []  # processor seconds of each: several may run at a time


class Module:
    """One NVRTC compilation; raises Rejected on spills and on serialised wgmma."""

    def __init__(self, source, options=(), allow_spills=False):
        program, size = C.c_void_p(), C.c_size_t()
        _rtc.nvrtcCreateProgram(C.byref(program), source.encode(), b"model.cu", 0, None, None)
        all_options = [*OPTIONS, *options]
        start, busy = time.perf_counter(), time.thread_time()
        code = _rtc.nvrtcCompileProgram(program, len(all_options), (C.c_char_p * len(all_options))(*[o.encode() for o in all_options]))
        self.seconds = time.perf_counter() - start
        compilations.append(time.thread_time() - busy)
        _rtc.nvrtcGetProgramLogSize(program, C.byref(size))
        log = C.create_string_buffer(max(1, size.value))
        _rtc.nvrtcGetProgramLog(program, log)
        self.log = log.value.decode()
        if code != 0:
            raise Rejected(self.log)
        self.registers = {name: int(n) for name, n in re.findall(r"entry function '(\w+)'.*?Used (\d+) registers", self.log, re.S)}
        spills = {name: int(n) for name, n in re.findall(r"entry function '(\w+)'.*?(\d+) bytes spill stores", self.log, re.S)}
        if "C75" in self.log:
            raise Rejected("wgmma serialised: " + "; ".join(l for l in self.log.splitlines() if "C75" in l))
        if any(spills.values()) and not allow_spills:
            raise Rejected(f"spills: { {k: v for k, v in spills.items() if v} }\n{self.log}")
        _rtc.nvrtcGetCUBINSize(program, C.byref(size))
        self.cubin = C.create_string_buffer(size.value)
        _rtc.nvrtcGetCUBIN(program, self.cubin)
        self._module = C.c_void_p()
        _check(_cuda.cuModuleLoadData(C.byref(self._module), self.cubin), "cuModuleLoadData")

    def kernel(self, name, shared=0):
        function = C.c_void_p()
        _check(_cuda.cuModuleGetFunction(C.byref(function), self._module, name.encode()), f"cuModuleGetFunction({name})")
        if shared > 48 * 1024:
            _check(_cuda.cuFuncSetAttribute(function, 8, shared), f"cuFuncSetAttribute({name}, {shared})")

        def launch(grid, threads, *arguments, dependent=False):
            boxes = [_argument(a) for a in arguments]
            pointers = (C.c_void_p * len(boxes))(*[C.addressof(b) for b in boxes])
            stream = torch.cuda.current_stream().cuda_stream
            attribute = _Attribute(6, 0, (C.c_int * 16)(1))  # programmatic stream serialisation
            config = _Config(grid, 1, 1, threads, 1, 1, shared, stream, C.pointer(attribute), int(dependent))
            _check(_cuda.cuLaunchKernelEx(C.byref(config), function, pointers, None), f"launch of {name}")

        return launch


class Rows(C.Structure):
    """A number of rows known at launch, or a tensor of one integer and the most it may be."""
    _fields_ = [("counted", C.c_void_p), ("most", C.c_int)]


class _Attribute(C.Structure):
    _fields_ = [("id", C.c_int), ("pad", C.c_int), ("value", C.c_int * 16)]


class _Config(C.Structure):
    _fields_ = [(n, C.c_uint) for n in ("grid_x", "grid_y", "grid_z", "block_x", "block_y", "block_z", "shared")] + [
        ("stream", C.c_void_p), ("attributes", C.POINTER(_Attribute)), ("count", C.c_uint)]


def _argument(a):
    if isinstance(a, torch.Tensor):
        return C.c_void_p(a.data_ptr())
    if isinstance(a, float):
        return C.c_float(a)
    if isinstance(a, int):
        return C.c_int(a)
    return a  # a TensorMap or a ctypes value


def tensor_map(t, box, swizzle=128):
    """A CUtensorMap of a row-major tensor (2-d or 3-d), boxes given innermost first, zeros out of bounds."""
    raw = (C.c_char * 192)()
    offset = -C.addressof(raw) % 64
    encoded = (C.c_char * 128).from_buffer(raw, offset)
    encoded.keep = raw, t
    dims, strides, rank = list(t.shape)[::-1], list(t.stride())[::-1], t.dim()
    assert strides[0] == 1 and t.dtype in (torch.bfloat16, torch.float32), "innermost dimension must be dense"
    kind = 9 if t.dtype == torch.bfloat16 else 7
    args = (C.c_uint64 * rank)(*dims), (C.c_uint64 * (rank - 1))(*[s * t.element_size() for s in strides[1:]])
    boxes, steps = (C.c_uint32 * rank)(*box), (C.c_uint32 * rank)(*[1] * rank)
    mode = {0: 0, 32: 1, 64: 2, 128: 3}[swizzle]
    _check(_cuda.cuTensorMapEncodeTiled(C.byref(encoded), kind, rank, C.c_void_p(t.data_ptr()), *args, boxes, steps, 0, mode, 2, 0),
           f"cuTensorMapEncodeTiled{tuple(t.shape)} box {tuple(box)}")
    return encoded


PROCESSORS = torch.cuda.get_device_properties(0).multi_processor_count
