namespace ModGen.Cuda.Tests;

public class LibrarySearchTests
{
    [Fact]
    public void The_systems_own_path_comes_first_and_newest_first()
    {
        var search = Search(false);
        Assert.Equal(["libcuda.so.1", "libcuda.so"], search.Driver);
        Assert.Equal(["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"], search.Compiler());
    }

    [Fact]
    public void Toolkits_come_newest_first_by_number()
    {
        var search = Search(false, folders: ["/usr/local/cuda-9.1", "/usr/local/cuda-13.0", "/usr/local/cuda-12.4"]);
        var found = search.Compiler().Where(path => path.EndsWith("lib64/libnvrtc.so.13", StringComparison.Ordinal)).Select(Path.GetDirectoryName);
        Assert.Equal(["/usr/local/cuda-13.0/lib64", "/usr/local/cuda-12.4/lib64", "/usr/local/cuda-9.1/lib64"], found);
        Assert.Contains("/usr/local/cuda-12.4/targets/x86_64-linux/lib/libnvrtc.so.12", search.Compiler());
    }

    [Fact]
    public void Pythons_packages_are_looked_through_last()
    {
        var search = Search(
            false,
            variables: [("PATH", "/usr/sbin:/usr/local/bin/")],
            folders: ["/usr/local/lib/python3.9", "/usr/local/lib/python3.12", "/usr/local/lib/python3.12/dist-packages/nvidia/cuda_nvrtc", "/usr/local/lib/python3.12/dist-packages/nvidia/cu13"]);
        var paths = search.Compiler().ToList();
        Assert.Equal("/usr/local/lib/python3.12/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.13", paths.First(path => path.Contains("nvidia", StringComparison.Ordinal)));
        Assert.Contains("/usr/local/lib/python3.12/dist-packages/nvidia/cu13/lib/libnvrtc.so.13", paths);
        Assert.Equal("libnvrtc.so.13", paths[0]);
    }

    [Fact]
    public void Environments_that_were_chosen_come_before_those_on_the_path()
    {
        var search = Search(
            false,
            variables: [("PATH", "/opt/tools/.venv/bin:/usr/bin"), ("VIRTUAL_ENV", "/mine")],
            folders: ["/mine/lib/python3.12", "/opt/tools/.venv/lib/python3.12", "/mine/lib/python3.12/site-packages/nvidia/cu13", "/opt/tools/.venv/lib/python3.12/site-packages/nvidia/cu13"]);
        Assert.Equal(
            ["/mine/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13", "/opt/tools/.venv/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13"],
            search.Compiler().Where(path => path.EndsWith("cu13/lib/libnvrtc.so.13", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_users_file_is_tried_alone()
    {
        var search = Search(false, variables: [("MODGEN_NVRTC", "/mine/libnvrtc.so.12")], folders: ["/usr/local/cuda-13.0"]);
        Assert.Equal(["/mine/libnvrtc.so.12"], search.Compiler());
    }

    [Fact]
    public void The_users_folder_is_tried_alone()
    {
        var search = Search(false, variables: [("MODGEN_NVRTC", "/mine")], folders: ["/mine", "/usr/local/cuda-13.0"]);
        Assert.Equal(["/mine/libnvrtc.so.13", "/mine/libnvrtc.so.12", "/mine/libnvrtc.so"], search.Compiler());
    }

    [Fact]
    public void Windows_has_its_own_names()
    {
        var search = Search(true, variables: [("CUDA_PATH", "/cuda")]);
        Assert.Equal(["nvcuda.dll"], search.Driver);
        Assert.Equal(["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"], search.Compiler().Take(2));
        Assert.Contains(Path.Combine("/cuda", "bin", "x64", "nvrtc64_130_0.dll"), search.Compiler());
    }

    [Theory]
    [InlineData("13.0", "13.0", true)]
    [InlineData("12.4", "13.0", true)]
    [InlineData("12.9", "12.2", true)]
    [InlineData("13.0", "12.8", false)]
    [InlineData("11.8", "12.8", false)]
    public void A_compiler_fits_a_driver_of_its_own_major_version_or_a_later_one(string compiler, string driver, bool fits) =>
        Assert.Equal(fits, NativeLibraries.Fits(Version.Parse(compiler), Version.Parse(driver)));

    [Fact]
    public void A_compiler_that_cannot_be_had_is_explained()
    {
        var driver = new Version(12, 8);
        Assert.Contains("NVRTC 13.0 does not fit the driver, which runs CUDA 12.8", NativeLibraries.WhyNoCompiler(driver, new Version(13, 0), null), StringComparison.Ordinal);
        Assert.Contains("MODGEN_NVRTC='/x'", NativeLibraries.WhyNoCompiler(driver, null, "/x"), StringComparison.Ordinal);
        var missing = NativeLibraries.WhyNoCompiler(driver, null, "");
        Assert.Contains("was not found", missing, StringComparison.Ordinal);
        Assert.Contains("libnvrtc.so.12", missing, StringComparison.Ordinal);
        Assert.Contains("nvrtc64_120_0.dll", missing, StringComparison.Ordinal);
    }

    private static LibrarySearch Search(bool windows, (string Name, string Value)[]? variables = null, string[]? folders = null) => new(
        windows,
        name => variables?.FirstOrDefault(variable => variable.Name == name).Value,
        (parent, pattern) => (folders ?? []).Where(folder => Path.GetDirectoryName(folder) == parent && Path.GetFileName(folder).StartsWith(pattern.TrimEnd('*'), StringComparison.Ordinal)));
}
