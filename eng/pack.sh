#!/usr/bin/env bash
# Packs tests or benchmarks for a machine that has no .NET: framework-dependent builds beside this SDK's own runtime.
#
#   eng/pack.sh OUT.tar.xz PROJECT...
#
# On the other machine:  tar xf OUT.tar.xz && bundle/run NAME ARGUMENTS...   (NAME: the project's, without .csproj)
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

archive=$(realpath -m "$1")
shift
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
bundle="$stage/bundle"
mkdir -p "$bundle/dotnet/shared"

for project in "$@"; do
    name=$(basename "$project" .csproj)
    dotnet publish "$project" -c Release -v quiet -nologo -o "$bundle/$name" -p:DebugType=none
done

# The runtime that the builds will run on: the host, its resolver, and the newest shared framework of their major version.
root=$(dirname "$(realpath "$(command -v dotnet)")")
version=$(ls "$root/shared/Microsoft.NETCore.App" | sort -V | tail -n 1)
cp "$root/dotnet" "$bundle/dotnet/"
cp -r "$root/host" "$bundle/dotnet/"
mkdir -p "$bundle/dotnet/shared/Microsoft.NETCore.App"
cp -r "$root/shared/Microsoft.NETCore.App/$version" "$bundle/dotnet/shared/Microsoft.NETCore.App/"

cat > "$bundle/run" <<'RUN'
#!/usr/bin/env bash
# run NAME ARGUMENTS...: runs a packed program on the packed runtime.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export DOTNET_ROOT="$here/dotnet" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
name=$1
shift
exec "$here/dotnet/dotnet" "$here/$name/$name.dll" "$@"
RUN
chmod +x "$bundle/run"
git -C "$(dirname "$0")" rev-parse HEAD > "$bundle/commit"

mkdir -p "$(dirname "$archive")"
tar -C "$stage" -c -I "xz -T0 -1" -f "$archive" bundle
echo "$archive: $(du -h "$archive" | cut -f1), runtime $version"
