# shellcheck shell=bash
# A bridge apart from all others, and a namespace on it that stands for the gateway.
#   up STAGING BRIDGE GATEWAYS4 ADDRESSES4 GATEWAYS6 ADDRESSES6   lists are separated by spaces
#   down STAGING
# Exit 3: an address has nobody that could ask it.
set -eu
verb=$1 staging=$2
clear() {
  ip netns del "$staging" 2>/dev/null || true
  for port in /sys/class/net/"${staging/xs/xg}"?; do
    [ ! -e "$port" ] || ip link del "${port##*/}" 2>/dev/null || true
  done
}
if [ "$verb" = down ]; then
  clear
  [ ! -e "/sys/class/net/$staging" ] || ip link del "$staging"
  exit
fi

bridge=$3
quiet() { echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6" 2>/dev/null || true; }
known() { # ADDRESS: the MAC of dom0's neighbour table
  ip neigh show to "$1" dev "$bridge" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p'
}
# The MAC behind an address on the bridge: the host's own, or what its owner answers. A datagram to the discard
# port makes the host ask.
mac_of() {
  if ip -o addr show to "$1" | grep -q .; then cat "/sys/class/net/$bridge/address"; return; fi
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    mac=$(known "$1")
    [ -z "$mac" ] || { echo "$mac"; return; }
    case $1 in fe80:*) to=$1%$bridge ;; *) to=$1 ;; esac
    (: >"/dev/udp/$to/9" && echo >"/dev/udp/$to/9") 2>/dev/null || true
    sleep 0.1
  done
  return 1
}
# Who can ask the addresses of a family: a gateway that answers, else the host itself.
asker() { # FAMILY GATEWAYS ADDRESS
  for gateway in $2; do
    if mac=$(mac_of "$gateway"); then echo "$gateway $mac"; return; fi
  done
  # What the host would use itself as its source, where that is an address on this bridge.
  route=$(ip "-$1" route get "$3" 2>/dev/null | head -n 1) || true
  case " $route " in *" dev $bridge "*) ;; *) return 1 ;; esac
  case $route in *" via "*) return 1 ;; esac
  own=$(echo "$route" | sed -n 's/.* src \([^ ]*\).*/\1/p')
  [ -n "$own" ] && echo "$own $(cat "/sys/class/net/$bridge/address")"
}
# One interface for each family: with VRRP the two have different MACs.
place() { # FAMILY GATEWAYS ADDRESSES
  [ -n "$3" ] || return 0
  who=$(asker "$1" "$2" "${3%% *}") || { echo "nobody on $bridge can ask ${3%% *}." >&2; exit 3; }
  port=${staging/xs/xg}$1
  ip link add "$port" type veth peer name "g$1" netns "$staging"
  quiet "$port"
  ip link set "$port" mtu "$mtu" master "$staging" up
  inside="ip -n $staging"
  $inside link set "g$1" address "${who#* }" mtu "$mtu" up
  case $1 in
  4) $inside addr add "${who% *}/32" dev "g$1" ;;
  6) $inside addr add "${who% *}/128" dev "g$1" nodad ;;
  esac
  for address in $3; do $inside "-$1" route replace "$address" dev "g$1"; done
}

clear
mtu=$(cat "/sys/class/net/$bridge/mtu")
if [ ! -e "/sys/class/net/$staging" ]; then
  # Without snooping the first question of a domain reaches the other end at once.
  ip link add "$staging" type bridge forward_delay 0 mcast_snooping 0
  quiet "$staging"
  ip link set "$staging" mtu "$mtu"
fi
ip link set "$staging" up
ip netns add "$staging"
ip -n "$staging" link set lo up
place 4 "$4" "$5"
place 6 "$6" "$7"
