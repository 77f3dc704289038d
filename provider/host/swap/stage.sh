# shellcheck shell=bash
# A bridge apart from all others, and a namespace on it that stands for the gateway.
#   up STAGING SCRIPT BRIDGE GATEWAYS4 ADDRESSES4 GATEWAYS6 ADDRESSES6 TEXT   lists are separated by spaces; TEXT becomes
#                                                           SCRIPT, the hotplug script of what starts there
#   down STAGING SCRIPT
# Exit 3: an address has nobody that could ask it. Processes are what it costs: what one ip(8) can do is one batch.
set -eu
verb=$1 staging=$2 script=$3
shift 3
clear() {
  [ ! -e "/var/run/netns/$staging" ] || ip netns del "$staging" 2>/dev/null || true
  for port in /sys/class/net/"${staging/xs/xg}"?; do
    [ ! -e "$port" ] || ip link del "${port##*/}" 2>/dev/null || true
  done
}
if [ "$verb" = down ]; then
  clear
  [ ! -e "$script.$staging" ] || rm -f -- "$script.$staging"
  [ ! -e "/sys/class/net/$staging" ] || ip link del "$staging"
  exit
fi

bridge=$1
quiet() { echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6" 2>/dev/null || true; }
own_mac() { read -r mac <"/sys/class/net/$bridge/address"; }
# Sets `mac` to the one behind an address on the bridge: the host's own, or the one of dom0's neighbour table, which its
# owner answers. A datagram to the discard port makes the host ask.
find_mac() { # ADDRESS
  if [ -n "$(ip -o addr show to "$1")" ]; then own_mac; return; fi
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if [[ $(ip neigh show to "$1" dev "$bridge") =~ lladdr\ ([0-9a-f:]+) ]]; then mac=${BASH_REMATCH[1]}; return; fi
    case $1 in fe80:*) to=$1%$bridge ;; *) to=$1 ;; esac
    (: >"/dev/udp/$to/9" && echo >"/dev/udp/$to/9") 2>/dev/null || true
    sleep 0.1
  done
  return 1
}
# Sets `who` and `mac` to who can ask the addresses of a family: a gateway that answers, else the host itself.
find_asker() { # FAMILY GATEWAYS ADDRESS
  for who in $2; do
    if find_mac "$who"; then return; fi
  done
  # What the host would use itself as its source, where that is an address on this bridge.
  route=$(ip -o "-$1" route get "$3" 2>/dev/null) || true
  case " $route " in *" via "*) return 1 ;; *" dev $bridge "*) ;; *) return 1 ;; esac
  [[ $route =~ \ src\ ([^ ]+) ]] && who=${BASH_REMATCH[1]} && own_mac
}
# One interface for each family: with VRRP the two have different MACs. Who asks for a domain that still boots asks anew every
# 100 ms, and not every second.
outside='' inside="link set lo up" ports=$staging
place() { # FAMILY GATEWAYS ADDRESSES
  [ -n "$3" ] || return 0
  find_asker "$1" "$2" "${3%% *}" || { echo "nobody on $bridge can ask ${3%% *}." >&2; exit 3; }
  port=${staging/xs/xg}$1
  ports+=" $port"
  outside+="
    link add $port mtu $mtu type veth peer name g$1 netns $staging
    link set $port addrgenmode none master $staging up"
  case $1 in
  4) table=arp_cache own="$who/32" ;;
  6) table=ndisc_cache own="$who/128 nodad" ;;
  esac
  inside+="
    link set g$1 address $mac mtu $mtu up
    ntable change name $table dev g$1 retrans 100 mcast_probes 60
    addr add $own dev g$1"
  for address in $3; do inside+="
    route replace $address dev g$1"; done
}

# All domains share the script, and others may bring it at the same time.
if ! [ -e "$script" ] || [ "$(<"$script")" != "$6" ]; then
  mkdir -p -- "${script%/*}"
  printf '%s\n' "$6" >"$script.$staging"
  chmod 755 "$script.$staging"
  mv -f -- "$script.$staging" "$script"
fi
clear
read -r mtu <"/sys/class/net/$bridge/mtu"
# The bridge first, and last to go: as long as it is seen, something is left. Without snooping the first question of a domain
# reaches the other end at once.
[ -e "/sys/class/net/$staging" ] ||
  outside="link add $staging mtu $mtu type bridge forward_delay 0 mcast_snooping 0"
outside+="
  link set $staging addrgenmode none up
  netns add $staging"
place 4 "$2" "$3"
place 6 "$4" "$5"
ip -batch - <<<"$outside"
for port in $ports; do quiet "$port"; done
ip -n "$staging" -batch - <<<"$inside"
