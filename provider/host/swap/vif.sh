#!/bin/sh
# Hotplug script (xl-network-configuration(5), `script`) of an interface that starts on a staging bridge. It does what
# Xen's vif-bridge does there, with three processes in the place of some thirty: a new version waits for each of them.
# Whatever vif-bridge does beyond that is left to vif-bridge itself: emulated interfaces, rules of iptables, which it
# adds where it finds iptables, hooks, and all that fails here, of which it then says why.
#   online|offline type_if=vif   with $vif and $XENBUS_PATH, as libxl calls it
set -u
export LC_ALL=C PATH="${PATH-}:/usr/sbin:/usr/bin:/sbin:/bin"
scripts=${0%/*}
port=$vif
vif_bridge() {
  # It gives the name itself.
  [ -e "/sys/class/net/$vif" ] || ip link set dev "$port" down name "$vif" 2>/dev/null
  exec "$scripts/vif-bridge" "$@"
}

[ "${2-}" = type_if=vif ] && ! command -v iptables >/dev/null || vif_bridge "$@"
for hook in "$scripts"/vif-post.d/*.hook; do
  [ ! -x "$hook" ] || vif_bridge "$@"
done

# The device as xenstore has it, a line `key = "value"` for each.
bridge='' vifname='' mtu='' frontend=''
while read -r key _ value; do
  value=${value#\"} value=${value%\"}
  case $key in
  bridge) bridge=$value ;;
  vifname) vifname=$value ;;
  mtu) mtu=$value ;;
  frontend) frontend=$value ;;
  esac
done <<DEVICE
$(xenstore-ls "$XENBUS_PATH" 2>/dev/null)
DEVICE
port=${vifname:-$vif}

case $1 in
online)
  [ -n "$mtu" ] || read -r mtu <"/sys/class/net/$bridge/mtu" || vif_bridge "$@"
  [ -n "$frontend" ] || vif_bridge "$@"
  # The highest hardware address there is: the bridge must not take the port's for its own.
  ip -batch - 2>/dev/null <<PORT || vif_bridge "$@"
link set dev $vif down
link set dev $vif address fe:ff:ff:ff:ff:ff mtu $mtu
link set dev $vif name $port
link set dev $port master $bridge up
PORT
  xenstore-write "$frontend/mtu" "$mtu" "$XENBUS_PATH/hotplug-status" connected || vif_bridge "$@"
  ;;
# Who destroys a domain takes its interface away in any case.
offline) ip link set dev "$port" down nomaster 2>/dev/null || : ;;
*) vif_bridge "$@" ;;
esac
