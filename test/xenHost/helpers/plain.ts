/** A bare machine as it is, for its end to be held against: kernel, network, packages, menu, and no trace of ours. */
export const PLAIN = `
uname -r
cat /etc/network/interfaces
ip -br link | awk '{print $1}' | sort
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
dpkg-query -W -f '\${Package} \${db:Status-Status}\n' | grep -c ' installed'
ls /etc/default/grub.d 2>/dev/null || :
grep -c '^menuentry' /boot/grub/grub.cfg
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard/*' 2>/dev/null || :
systemctl --failed --no-legend
`
