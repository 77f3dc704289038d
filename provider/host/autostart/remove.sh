# Takes the unit and its script away when no domain of the store starts with the host any more.
# Answers `removed`, `kept` with the number of domains that need it, or `absent`.
set -eu
store=$1
script=/usr/local/lib/pulumi-xen/domains
unit=/etc/systemd/system/pulumi-xen-domains.service
count=$(find "$store/domains" -mindepth 2 -maxdepth 2 -name autostart 2>/dev/null | wc -l)
if [ "$count" -gt 0 ]; then echo "kept $count"; exit; fi
if ! [ -e "$unit" ] && ! [ -e "$script" ]; then echo absent; exit; fi
# Not stopped by systemd: that would end domains that somebody keeps without autostart.
rm -f "$script"
systemctl disable --quiet pulumi-xen-domains.service 2>/dev/null || true
rm -f "$unit"
systemctl daemon-reload
systemctl reset-failed pulumi-xen-domains.service 2>/dev/null || true
rmdir "${script%/*}" 2>/dev/null || true
echo removed
