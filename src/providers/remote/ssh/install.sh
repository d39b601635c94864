# Run by root: puts what comes over standard input at the place of the worker with digest $1, for machine $2, and lets
# the user $3 start it by sudo. What works is not taken away before what replaces it is in place.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 022
machine=$(uname -m)
[ "$machine" = "$2" ] || { echo "$machine" >&2; exit 91; }
[ "$(id -u)" = 0 ] || exit 96
id -u "$3" >/dev/null 2>&1 || exit 97
command -v sudo >/dev/null && command -v visudo >/dev/null || { echo "sudo is not installed" >&2; exit 98; }
lib=/usr/local/lib
dir=$lib/evenkeel
file=$dir/worker-$1
lines=/etc/sudoers.d
line=$lines/evenkeel-worker
new=$dir/.sent-$$
# With a dot in its name sudo does not read it.
aside=$lines/.evenkeel-worker-$$

# A folder that only root can change.
own() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u "$1")" = 0 ] || { echo "$1" >&2; exit 94; }
  case $(stat -c %A "$1") in
  d????-??-?) ;;
  *) echo "$1" >&2; exit 94 ;;
  esac
}
# A file of root's with these permissions.
right() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c '%u %g %a' "$1")" = "0 0 $2" ]; }
has_digest() { sum=$(sha256sum <"$1") && [ "${sum%% *}" = "$2" ]; }

for each in / /usr /usr/local "$lib" /etc "$lines"; do own "$each"; done
[ -e "$dir" ] || [ -L "$dir" ] || mkdir -m 755 "$dir" || exit 95
own "$dir"
trap 'rm -f "$new" "$aside"' EXIT
set -C
if right "$file" 755 && has_digest "$file" "$1"; then
  echo "kept $file"
else
  cat >"$new" || exit 95
  has_digest "$new" "$1" || exit 95
  chmod 755 "$dir" && chown 0:0 "$new" && chmod 755 "$new" && sync "$new" && mv -fT "$new" "$file" || exit 95
  echo "put $file"
fi
text="# Written by evenkeel worker install.
$3 ALL=(root) NOPASSWD: sha256:$1 $file serve"
if right "$line" 440 && [ "$(cat "$line")" = "$text" ]; then
  echo "kept $line"
else
  printf '%s\n' "$text" >"$aside" || exit 95
  chown 0:0 "$aside" && chmod 440 "$aside" || exit 95
  visudo -cf "$aside" >&2 || exit 98
  sync "$aside" && mv -fT "$aside" "$line" || exit 95
  echo "put $line"
fi
for old in "$dir"/worker-* "$dir"/.sent-*; do
  [ "$old" != "$file" ] && { [ -e "$old" ] || [ -L "$old" ]; } || continue
  rm -f "$old" || exit 95
  echo "removed $old"
done
exit 0
