using ModGen;
using Quickstart;

// Without arguments: about a minute of training, then what came of it. With arguments: the verbs, see --help.
return ModGenApp.Run<ApiDocs>(
    args,
    "train --minutes 1 --batch 4 --eval-every 200 --log-every 50 --fresh",
    "eval --sequences 64",
    "sample --prompt \"<summary>\" --show-routing");
