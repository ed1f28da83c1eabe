using ModGen.Sampling;

namespace ModGen;

/// <content>The passes through the program that sampling is made of.</content>
public sealed partial class Sampler<TModel>
{
    internal SamplingSlot<TModel> Slot(int index) => _slots[index];

    /// <summary>Reads the prompts of slots, in pieces of as many rows as the program takes.</summary>
    internal void Prefill(ReadOnlySpan<int> slots)
    {
        foreach (var slot in slots)
        {
            _program.Clear(slot);
            var prompt = _slots[slot].Prompt;
            for (var i = 0; i < prompt.Length; i++)
            {
                _rows.Add(prompt[i], slot, wanted: i == prompt.Length - 1);
                if (_rows.IsFull)
                    Flush();
            }
        }

        Flush();
        foreach (var slot in slots)
            _slots[slot].EndPrefill();
    }

    /// <summary>Appends the newest token of every slot. It is done for a text's last token too: its routing is part of the result.</summary>
    internal void Extend(ReadOnlySpan<int> slots)
    {
        foreach (var slot in slots)
            _rows.Add(_slots[slot].Newest, slot, wanted: _slots[slot].Finish is null);
        Flush();
    }

    private void Flush()
    {
        if (_rows.Count == 0)
            return;
        try
        {
            _program.Extend(_rows.Tokens, _rows.Slots, _rows.Wanted, _rows.Logits, _slots[_rows.Slots[0]].Draw);
            for (var i = 0; i < _rows.Wanted.Length; i++)
                _rows.LogitsOf(i).CopyTo(_slots[_rows.Slots[_rows.Wanted[i]]].Logits);
            RecordRouting();
        }
        finally
        {
            _rows.Clear();
        }
    }

    /// <summary>Notes which rows of the last call entered which layers. Rows of a slot stand together and its length counts them already.</summary>
    private void RecordRouting()
    {
        var slots = _rows.Slots;
        for (var start = 0; start < slots.Length;)
        {
            var slot = slots[start];
            var end = start;
            while (end < slots.Length && slots[end] == slot)
                end++;
            var routing = _slots[slot].Routing;
            var first = _program.Length(slot) - (end - start);
            foreach (var layer in _routedLayers)
                for (var row = start; row < end; row++)
                    routing.Set(layer, first + row - start, _program.Entered(layer)[row] != 0);
            routing.Length = _program.Length(slot);
            start = end;
        }
    }
}
