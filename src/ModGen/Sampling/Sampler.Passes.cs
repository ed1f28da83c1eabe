using ModGen.Sampling;

namespace ModGen;

/// <content>The passes through the program that sampling is made of.</content>
public sealed partial class Sampler<TModel>
{
    internal SamplingSlot<TModel> Slot(int index) => _slots[index];

    /// <summary>Begins a text in a slot.</summary>
    internal void Begin(int slot, ReadOnlySpan<int> prompt, SamplingOptions options, int row)
    {
        _slots[slot].Begin(prompt, options, row);
        if (_program.Samples)
            _program.Begin(slot, prompt, options, row);
    }

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

    /// <summary>Reads a prompt into the first slot; gives the logits of the token after it.</summary>
    private void ReadPrompt(ReadOnlySpan<int> prompt, Span<float> logits)
    {
        _program.Clear(0);
        var slots = new int[_program.MaximumRows];
        for (var start = 0; start < prompt.Length; start += slots.Length)
        {
            var rows = Math.Min(slots.Length, prompt.Length - start);
            var isLast = start + rows == prompt.Length;
            _program.Extend(prompt.Slice(start, rows), slots.AsSpan(0, rows), isLast ? [rows - 1] : [], isLast ? logits : default, draw: 0);
        }
    }

    private void Flush()
    {
        if (_rows.Count == 0)
            return;
        try
        {
            var draw = _slots[_rows.Slots[0]].Draw;
            if (_program.Samples)
                _program.ExtendAndChoose(_rows.Tokens, _rows.Slots, _rows.Wanted, _rows.Chosen, draw);
            else
                _program.Extend(_rows.Tokens, _rows.Slots, _rows.Wanted, _rows.Logits, draw);
            for (var i = 0; i < _rows.Wanted.Length; i++)
            {
                var slot = _slots[_rows.Slots[_rows.Wanted[i]]];
                slot.Chosen = _rows.Chosen[i];
                _rows.LogitsOf(i).CopyTo(slot.Logits);
            }

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
