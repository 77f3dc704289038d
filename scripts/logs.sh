# What a domain's generations wrote to their consoles, from the first byte, the one that wrote last at the end.
#
#     sh -s -- NAME follow|once
#
# xenconsoled keeps one file a generation; what logrotate(8) put aside of it comes before it.
name=$1 mode=$2
log=/var/log/xen/console/guest-$name

logs() {
  # A domain's name holds no blank and no wildcard: the words are the files.
  # shellcheck disable=SC2010
  ls -tr -- "$log".????????????.log 2>/dev/null | grep -E '\.[0-9a-f]{12}\.log$'
}

header() {
  generation=${1%.log}
  echo "==> $name, generation ${generation##*.} <=="
}

rotated() {
  for number in 5 4 3 2 1; do
    for old in "$1.$number" "$1.$number.gz"; do if [ -f "$old" ]; then zcat -f -- "$old"; fi; done
  done
}

if [ "$mode" = once ]; then
  for file in $(logs); do header "$file"; rotated "$file"; cat -- "$file"; done
  exit
fi

# Old and new write side by side while one takes over from the other: each file is followed for itself.
trap 'kill $followers 2>/dev/null' EXIT
trap 'exit 0' HUP INT TERM
followed=' ' followers=
while :; do
  for file in $(logs); do
    case $followed in *" $file "*) continue ;; esac
    followed="$followed$file "
    header "$file"
    rotated "$file"
    tail -n +1 -F -- "$file" 2>/dev/null &
    followers="$followers $!"
    # One after the other: what a file holds already is not mixed with the next one's.
    sleep 0.2
  done
  sleep 1
done
