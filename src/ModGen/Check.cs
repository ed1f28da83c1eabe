using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace ModGen;

/// <summary>Range checks of settings: each returns the value or throws with the value and the rule. NaN never passes.</summary>
internal static class Check
{
    public static T Above<T>(T value, T bound, [CallerMemberName] string name = "") where T : INumber<T> =>
        value > bound && T.IsFinite(value) ? value : throw Out(name, value, $"above {Text(bound)}");

    public static T AtLeast<T>(T value, T bound, [CallerMemberName] string name = "") where T : INumber<T> =>
        value >= bound && T.IsFinite(value) ? value : throw Out(name, value, $"{Text(bound)} or more");

    /// <summary>In [low, high).</summary>
    public static T Within<T>(T value, T low, T high, [CallerMemberName] string name = "") where T : INumber<T> =>
        value >= low && value < high ? value : throw Out(name, value, $"at least {Text(low)} and below {Text(high)}");

    /// <summary>In (low, high].</summary>
    public static T AboveUpTo<T>(T value, T low, T high, [CallerMemberName] string name = "") where T : INumber<T> =>
        value > low && value <= high ? value : throw Out(name, value, $"above {Text(low)} and at most {Text(high)}");

    /// <summary>In [low, high].</summary>
    public static T Between<T>(T value, T low, T high, [CallerMemberName] string name = "") where T : INumber<T> =>
        value >= low && value <= high ? value : throw Out(name, value, $"{Text(low)} to {Text(high)}");

    private static ArgumentOutOfRangeException Out<T>(string name, T value, string rule) where T : INumber<T> =>
        new(name, $"{name} is {Text(value)}; it must be {rule}.");

    private static string Text<T>(T value) where T : INumber<T> => value.ToString(null, CultureInfo.InvariantCulture);
}
