"""A decode step of one row whose layers are one kernel each, beside the step in which they are five or six: routed layers that
the row enters and passes by, and dense layers in the same form. Routed layers have 256 entries in their caches, dense ones 924."""
from .bench_decode import Model, verify
from .device import Rejected
from .measure import race

ROUTED = range(1, 16, 2)
CACHES = dict(batch=1, choice=True, routed_length=256, spare=100)
VARIANTS = {
    "64 registers": dict(bound=1024),
    "80 registers": dict(bound=768),
    "96 registers, six steps": dict(bound=640, replace=[("PersistentSteps = 3", "PersistentSteps = 6")]),
    "128 registers, six steps": dict(bound=512, replace=[("PersistentSteps = 3", "PersistentSteps = 6")]),
}
FORMS = {"launches": None, "routed layers": "routed", "all layers": "all"}


def verify_small():
    for entered in ({1: [0]}, {0: [], 1: [0]}):
        verify(batch=1, width=512, heads=4, kv_heads=1, head=128, feed_forward=1280, context=77, entered=entered, persistent="all", bound=512)


def verify_all():
    for persistent in ("routed", "all"):
        verify(batch=1, entered={1: [0], 2: []}, persistent=persistent)
        verify(batch=1, entered={0: [], 1: [0]}, persistent=persistent, routed_length=300)
    verify(batch=1, entered={1: [0]}, persistent="all", context=2)
    verify(batch=1, width=768, heads=12, kv_heads=4, feed_forward=2048, context=900, entered={1: [0]}, persistent="all", bound=512)
    verify(batch=1, width=512, heads=4, kv_heads=1, head=128, feed_forward=1280, context=77, entered={1: [0]}, persistent="all", bound=512)


def entering(layers):
    """Layers that the row enters, of the routed ones, evenly."""
    return {i: [0] if j * layers // 8 < (j + 1) * layers // 8 else [] for j, i in enumerate(ROUTED)}


def timed(name, record, forms=FORMS, **options):
    models = {form: Model(**CACHES, persistent=persistent, **options) for form, persistent in forms.items()}
    times = race({form: [model.run] for form, model in models.items()}, repeats=3, rounds=7)
    print(f"   {name:36}" + "".join(f"{form} {us:.1f} us   " for form, us in times.items()), flush=True)
    record.append(dict(name=name, us=times))


def run(explore):
    record = []
    if explore:
        for name, options in VARIANTS.items():
            for layers in (0, 8):
                try:
                    timed(f"{name}, {layers} of 8 entered", record, {"routed layers": "routed", "all layers": "all"}, entered=entering(layers), **options)
                except Rejected as rejected:
                    print(f"   {name}: {str(rejected).splitlines()[0]}", flush=True)
        return record
    timed("dense", record, {"launches": None, "all layers": "all"})
    for layers in (0, 2, 8):
        timed(f"{layers} of 8 routed layers entered", record, entered=entering(layers))
    return record
