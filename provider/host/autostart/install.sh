# Puts a script and a unit on the host where they differ, and enables the unit. On standard input: the script, a line
# "--- unit", the unit. Answers `installed` or `present`; 3 where systemd does not manage services.
set -eu
script=/usr/local/lib/pulumi-xen/domains
unit=/etc/systemd/system/pulumi-xen-domains.service
# As sd_booted(3) has it.
[ -d /run/systemd/system ] || exit 3

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
awk -v dir="$new" 'BEGIN { out = dir "/script" } /^--- unit$/ { out = dir "/unit"; next } { print >out }'

put() { # FROM FILE MODE
  if cmp -s "$1" "$2"; then return 1; fi
  replace "$2" "$3" <"$1" || exit
}

answer=present
put "$new/script" "$script" 755 && answer=installed
if put "$new/unit" "$unit" 644; then
  answer=installed
  systemctl daemon-reload
fi
if ! systemctl is-enabled --quiet pulumi-xen-domains.service; then
  systemctl enable --quiet pulumi-xen-domains.service
  answer=installed
fi
# Started, so that it is stopped with the host; told to leave the domains as they are.
if ! systemctl is-active --quiet pulumi-xen-domains.service; then
  : >/run/pulumi-xen-domains.adopt
  systemctl start --no-block pulumi-xen-domains.service
fi
echo "$answer"
