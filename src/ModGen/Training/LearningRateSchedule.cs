namespace ModGen;

/// <summary>Linear warm-up to the optimizer's learning rate, then a cosine down to a floor (arXiv 1608.03983, without restarts).</summary>
public sealed record LearningRateSchedule
{
    /// <summary>Makes a schedule.</summary>
    /// <param name="WarmUp">Steps of the warm-up; the last of them runs at the full rate. 0 or more.</param>
    /// <param name="Steps">Steps at which the floor is reached; 0 to stay at the full rate after the warm-up.</param>
    /// <param name="Floor">The floor as a share of the full rate, 0 to 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public LearningRateSchedule(long WarmUp = 0, long Steps = 0, double Floor = 0.1)
    {
        this.WarmUp = WarmUp;
        this.Steps = Steps;
        this.Floor = Floor;
    }

    /// <summary>Steps of the warm-up.</summary>
    public long WarmUp { get; init => field = Check.AtLeast(value, 0); }

    /// <summary>Steps at which the floor is reached; 0 for a constant rate after the warm-up.</summary>
    public long Steps { get; init => field = Check.AtLeast(value, 0); }

    /// <summary>The floor as a share of the full rate.</summary>
    public double Floor { get; init => field = Check.Between(value, 0, 1); }

    /// <summary>The share of the full rate at <paramref name="step"/>, which is 1 for the first step.</summary>
    public double Factor(long step)
    {
        if (step < WarmUp)
            return (double)Math.Max(step, 0) / WarmUp;
        if (Steps == 0)
            return 1;
        if (step >= Steps)
            return Floor;
        var progress = (double)(step - WarmUp) / (Steps - WarmUp);
        return Floor + (1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress));
    }
}
