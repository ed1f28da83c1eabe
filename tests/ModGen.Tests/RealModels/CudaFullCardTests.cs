using ModGen.Cuda;
using ModGen.Cuda.Tests.Fakes;
using ModGen.Tests.Fakes;

namespace ModGen.Tests.RealModels;

/// <summary>Alone on the card while it runs, and to be run where no other process uses it.</summary>
[CollectionDefinition("full card", DisableParallelization = true)]
public sealed class CudaFullCard;

/// <summary>Somebody else holds the GPU's memory.</summary>
[Collection("full card")]
public sealed class CudaFullCardTests
{
    private const long Left = 64 << 20;

    [Fact]
    public void What_is_made_of_several_programs_frees_all_of_them_when_one_does_not_fit()
    {
        using var machine = new FakeMachine();
        using var device = new CudaDevice(machine.Platform.Open(0, float32: false));
        using var model = RoutedTiles.Create(device, seed: 1);
        var (driver, blocks, missing) = (machine.Driver, machine.Driver.LiveBlocks, new List<string>());
        for (var free = 1L << 16; ; free += free / 4)
        {
            driver.HeldElsewhere = driver.TotalBytes - driver.LiveBytes - free;
            try
            {
                model.CreateEvaluator(2).Dispose();
                break;
            }
            catch (CudaOutOfMemoryException e)
            {
                missing.Add(e.Message);
                Assert.Equal(blocks, driver.LiveBlocks);
            }
        }

        Assert.Contains(missing, message => message.Contains("activations in float32, batch 2", StringComparison.Ordinal));
        Assert.Contains(missing, message => message.Contains("keys and values", StringComparison.Ordinal));
    }

    [Fact]
    public void A_card_that_another_fills_is_said_with_what_is_free_and_works_when_he_leaves()
    {
        Assert.SkipWhen(CudaContext.WhyUnavailable(0) is not null, CudaContext.WhyUnavailable(0) ?? "");
        using var device = Device.Cuda();
        using var model = RoutedTiles.Create(device, seed: 1);
        using var other = CudaContext.Open(0, float32: false);
        using (other.Allocate(other.FreeBytes - Left, "another"))
        {
            var error = Assert.Throws<CudaOutOfMemoryException>(() => model.CreateTrainer(512, new AdamW()));
            Assert.Contains("activations in float32, batch 512", error.Message, StringComparison.Ordinal);
            Assert.Contains($"is free on {device.Context.Name} (this model holds ", error.Message, StringComparison.Ordinal);
            Assert.Contains("use a smaller batch or model", error.Message, StringComparison.Ordinal);
            Assert.InRange(error.FreeBytes, 0, 2 * Left);
            // What fits still works.
            using var small = model.CreateTrainer(1, new AdamW());
            Assert.True(double.IsFinite(small.Step(Texts.Random<RoutedTiles>(1, 1)).Loss));
        }

        using var trainer = model.CreateTrainer(512, new AdamW());
        Assert.True(double.IsFinite(trainer.Step(Texts.Random<RoutedTiles>(512, 1)).Loss));
    }
}
