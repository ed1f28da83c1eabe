using System.Text;
using ModGen.Sampling;

namespace ModGen.Tests.Sampling;

public sealed class TextStreamTests
{
    [Theory]
    [InlineData("plain")]
    [InlineData("“größer” als 10 €, 𝄞 und 🎼🎼 – ende")]
    [InlineData("\u0000\u007f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff")]
    public void Whole_characters_come_out_at_their_last_byte(string text)
    {
        var stream = new Utf8Stream();
        foreach (var rune in text.EnumerateRunes())
        {
            var bytes = Encoding.UTF8.GetBytes(rune.ToString());
            foreach (var value in bytes[..^1])
                Assert.Equal("", stream.Append(value));
            Assert.Equal(rune.ToString(), stream.Append(bytes[^1]));
        }

        Assert.Equal("", stream.Finish());
    }

    [Fact]
    public void Random_bytes_become_what_a_decoder_of_all_makes_of_them()
    {
        var random = new Random(1);
        for (var round = 0; round < 3000; round++)
        {
            var bytes = new byte[random.Next(1, 30)];
            random.NextBytes(bytes);
            for (var i = 0; i < bytes.Length; i++)
                bytes[i] = random.Next(3) == 0 ? "a\xE2\x82\xAC\xF0\x9F\x98\xC3"[random.Next(8)] is var c ? (byte)c : bytes[i] : bytes[i];
            var stream = new Utf8Stream();
            var text = new StringBuilder();
            foreach (var value in bytes)
            {
                var piece = stream.Append(value);
                Assert.True(piece.Length == 0 || !char.IsHighSurrogate(piece[^1]), "half a pair came out");
                text.Append(piece);
            }

            text.Append(stream.Finish());
            Assert.Equal(Encoding.UTF8.GetString(bytes), text.ToString());
        }
    }

    [Fact]
    public void An_unfinished_character_is_forgotten_or_replaced()
    {
        var stream = new Utf8Stream();
        Assert.Equal("", stream.Append(0xE2));
        Assert.Equal("\ufffd", stream.Finish());
        stream.Append(0xE2);
        stream.Clear();
        Assert.Equal("a", stream.Append((byte)'a'));
    }

    [Theory]
    [InlineData("one END two", "END", "one ")]
    [InlineData("one EN two E", "END", "one EN two E")]
    [InlineData("END", "END", "")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("xababac", "abac", "xab")]
    [InlineData("a\n\nb", "\n\n", "a")]
    [InlineData("nothing", "", "nothing")]
    public void Stop_texts_are_found_over_any_cut_and_never_shown(string text, string stop, string expected)
    {
        string[] stops = stop.Length == 0 ? [] : [stop, "unused stop"];
        for (var size = 1; size <= text.Length; size++)
        {
            var matcher = new StopMatcher();
            matcher.Begin(stops);
            var shown = new StringBuilder();
            for (var at = 0; at < text.Length; at += size)
            {
                shown.Append(matcher.Append(text.Substring(at, Math.Min(size, text.Length - at))));
                Assert.StartsWith(shown.ToString(), expected, StringComparison.Ordinal);
            }

            shown.Append(matcher.Finish());
            Assert.Equal(expected, shown.ToString());
            Assert.Equal(expected != text, matcher.Stopped);
        }
    }

    [Fact]
    public void The_earliest_of_several_stops_wins()
    {
        var matcher = new StopMatcher();
        matcher.Begin(["late", "e"]);
        Assert.Equal("b", matcher.Append("be late"));
        Assert.Equal("", matcher.Append("more"));
        Assert.Equal("", matcher.Finish());
    }
}
