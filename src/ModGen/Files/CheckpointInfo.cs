namespace ModGen;

/// <summary>What a checkpoint says of itself.</summary>
/// <param name="Folder">Its folder.</param>
/// <param name="Model">Full name of the model's class.</param>
/// <param name="Fingerprint">Hash of the declaration.</param>
/// <param name="Step">Steps done.</param>
/// <param name="Seed">Seed of what training draws.</param>
/// <param name="DataPosition">Sequences of the data that have been trained on.</param>
/// <param name="LibraryVersion">Version of the library that wrote it.</param>
public sealed record CheckpointInfo(
    string Folder, string Model, string Fingerprint, long Step, ulong Seed, long DataPosition, string LibraryVersion);

/// <summary>A checkpoint that was passed over, and why.</summary>
/// <param name="Folder">Its folder.</param>
/// <param name="Reason">One line.</param>
public sealed record SkippedCheckpoint(string Folder, string Reason);

/// <summary>The newest good checkpoint of a run, and the newer ones that are damaged.</summary>
/// <param name="Latest">The newest good one; null when there is none.</param>
/// <param name="Skipped">Damaged ones newer than it, newest first.</param>
public sealed record CheckpointSearch(CheckpointInfo? Latest, IReadOnlyList<SkippedCheckpoint> Skipped);
