# Sums the static shared memory of each kernel in PTX that clang wrote: the variables that the kernel, or a function it calls,
# names, in their order and alignment. Above 48 KiB ptxas refuses a kernel, and no GPU-less check before it does.
# usage: awk -f static-shared.awk FILE.ptx    prints the kernels above the limit; exit status 1 when there are any, 2 when there is no kernel
BEGIN { most = 49152; size["8"] = 1; size["16"] = 2; size["32"] = 4; size["64"] = 8; size["128"] = 16 }

# A declaration: [.visible|.weak|…] .shared [.align N] .b8 NAME[COUNT]; what is extern is dynamic.
/^[ \t]*(\.[a-z]+ )*\.shared / && !/\.extern/ {
    bytes = 1; align = 1
    for (i = 1; i < NF; i++) {
        if ($i == ".align") align = $(i + 1)
        if ($i ~ /^\.[bfus](8|16|32|64|128)$/) {
            bytes = size[substr($i, 3)]
            if (align < bytes) align = bytes
            variable = $(i + 1)
        }
    }
    sub(/;.*/, "", variable)
    while (match(variable, /\[[0-9]+\]$/)) {
        bytes *= substr(variable, RSTART + 1, RLENGTH - 2)
        variable = substr(variable, 1, RSTART - 1)
    }
    variables[++count] = variable; bytes_of[variable] = bytes; align_of[variable] = align
    next
}

/\.(entry|func)[ \t]/ {
    # A function's result stands in parentheses before its name.
    body = $0
    is_entry = body ~ /\.entry/
    sub(/.*\.(entry|func)[ \t]*(\([^)]*\))?[ \t]*/, "", body)
    sub(/[^A-Za-z0-9_$].*/, "", body)
    if (is_entry) entries[++kernels] = body
    next
}

/^}/ { body = "" }

body != "" {
    line = $0
    gsub(/[^A-Za-z0-9_$%.]+/, " ", line)
    words = split(line, word, " ")
    for (i = 1; i <= words; i++) names[body, word[i]] = 1
    if (line ~ /call/) for (i = 1; i <= words; i++) calls[body] = calls[body] " " word[i]
}

# Everything that a function and those it calls name.
function reach(name,    targets, n, i) {
    if (name in seen) return
    seen[name] = 1
    for (i = 1; i <= count; i++) if ((name, variables[i]) in names) used[variables[i]] = 1
    n = split(calls[name], targets, " ")
    for (i = 1; i <= n; i++) reach(targets[i])
}

END {
    if (kernels == 0) { print "no kernel in " FILENAME; exit 2 }
    for (k = 1; k <= kernels; k++) {
        split("", seen); split("", used)
        reach(entries[k])
        total = 0
        for (i = 1; i <= count; i++) if (variables[i] in used) {
            a = align_of[variables[i]]
            total = int((total + a - 1) / a) * a + bytes_of[variables[i]]
        }
        if (total > most) { print entries[k] ": " total " bytes of static shared memory; " most " is the most"; failed = 1 }
    }
    exit failed
}
