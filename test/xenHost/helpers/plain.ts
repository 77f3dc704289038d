/** What no Xen is left in: below the system, in GRUB's menu, and in what grubenv says of the next boots. */
export const WITHOUT_XEN = `
uname -r
cat /sys/hypervisor/type 2>/dev/null || echo no hypervisor
md5sum /etc/default/grub
grep -oE "^(menuentry|submenu) '[^']*'|^ *set (default|fallback)=.*" /boot/grub/grub.cfg
! grep -i xen /boot/grub/grub.cfg
ls /etc/default/grub.d 2>/dev/null || :
grub-editenv list | grep -E '^(saved_entry=.*xen|(next_entry|fallback)=.)' || :`

/** A bare machine as it is, for its end to be held against: kernel, network, packages, menu, and no trace of ours. */
export const PLAIN = `
${WITHOUT_XEN}
cat /etc/network/interfaces
ip -br link | awk '{print $1}' | sort
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
dpkg-query -W -f '\${Package} \${db:Status-Status}\n' | grep ' installed' | sort
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard/*' 2>/dev/null || :
systemctl --failed --no-legend
`
