namespace ModGen.Tests.Files;

/// <summary>What happens to files: flipped bits, cut ends, lost and doubled stretches.</summary>
internal static class Damage
{
    /// <summary>A damaged copy; most damage falls into the first <paramref name="header"/> bytes.</summary>
    public static byte[] Apply(byte[] good, Random random, int header)
    {
        var bytes = good.ToList();
        for (var times = random.Next(1, 4); times > 0 && bytes.Count > 0; times--)
        {
            var place = random.Next(random.Next(4) == 0 ? bytes.Count : Math.Min(header, bytes.Count));
            switch (random.Next(6))
            {
                case 0:
                    bytes[place] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[place] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(place, bytes.Count - place);
                    break;
                case 3:
                    bytes.RemoveRange(place, Math.Min(random.Next(1, 9), bytes.Count - place));
                    break;
                case 4:
                    bytes.InsertRange(place, bytes.GetRange(place, Math.Min(random.Next(1, 9), bytes.Count - place)));
                    break;
                default:
                    bytes[place] = "0123456789[]{},:\"-e."u8[random.Next(20)];
                    break;
            }
        }

        return [.. bytes];
    }
}
