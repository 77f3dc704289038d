import type { Connection } from "../../ssh/index.ts"

/**
 * Asks for addresses in two ways: by ping, where the routes lead or on the link alone; and on the link by ARP or neighbour
 * discovery (`use` of ip-neighbour(8) has the kernel ask), for many a machine answers no ping. Prints `pong ADDRESS`,
 * `near ADDRESS` with what is known of the neighbour then, and `unasked ADDRESS` where neither could be done: with
 * no ping, or one of another kind (iputils' ends with 1 where nobody answers, and with more where it could not ask). What was
 * known before is forgotten first, as whoever had the address may be gone, and what was learnt is forgotten at the end.
 */
const ASK = `
link=$1 bound=$2 gateways=$3; shift 3
forget() { for one do ip neigh flush to "$one" \${link:+dev "$link"} 2>/dev/null; done; }
resolve() { [ "$link" ] && ip neigh replace "$1" dev "$link" nud none use 2>/dev/null; }
pinged= unresolved=
forget "$@"
for one in $gateways; do resolve "$one"; done
for one do resolve "$one" || unresolved="$unresolved $one"; done
for one do
  ping \${bound:+-I "$bound"} -c 1 -W 1 -n "$one" >/dev/null 2>&1
  case $? in 0) pinged=yes; echo "pong $one" ;; 1) pinged=yes ;; esac
done
[ "$pinged" ] || { sleep 2; for one in $unresolved; do echo "unasked $one"; done; }
for one in $gateways "$@"; do ip neigh show to "$one" \${link:+dev "$link"} 2>/dev/null | sed "s/^/near $one /"; done
forget "$@"
:`

export interface Question {
  readonly addresses: readonly string[]
  /** Where neighbours are asked; `""`: nowhere, by ping alone. */
  readonly link: string
  /** Ping asks on the link alone, too, and not where the routes lead. */
  readonly onLinkOnly: boolean
  /** Routers, whose answers for others do not count. */
  readonly gateways?: readonly string[]
}

export interface Answers {
  readonly answering: readonly string[]
  /** Neither could be done. */
  readonly unasked: readonly string[]
}

/** Whom the addresses belong to on the host's networks, if to anybody. */
export async function askFor(
  connection: Connection,
  { addresses, link, onLinkOnly, gateways = [] }: Question,
  signal: AbortSignal,
): Promise<Answers> {
  const { stdout } = await connection.run(
    ["sh", "-c", ASK, "sh", link, onLinkOnly ? link : "", gateways.join(" "), ...addresses],
    { timeout: 120_000, signal },
  )
  const said = stdout.split("\n").map(line => line.split(" "))
  const who = (word: string) => said.filter(([first]) => first === word).map(([, address = ""]) => address)
  const ponging = who("pong")
  const neighbouring = neighbours(said, gateways)
  return {
    answering: addresses.filter(one => ponging.includes(one) || neighbouring.includes(one)),
    unasked: who("unasked"),
  }
}

/**
 * Who has answered: a neighbour with a link-layer address that nobody wrote down by hand. A router that answers for everybody
 * on its link, as many hosters' do between machines that shall not hear each other, has not said that an address is taken.
 */
function neighbours(said: readonly string[][], gateways: readonly string[]): string[] {
  const near = said
    .filter(([first, , ...words]) => first === "near" && words.includes("lladdr"))
    .map(([, address = "", ...words]) => ({
      address,
      mac: words[words.indexOf("lladdr") + 1],
      hasAnswered: !words.some(word => /^(PERMANENT|NOARP|FAILED|INCOMPLETE)$/.test(word)),
    }))
  const routers = near.filter(({ address }) => gateways.includes(address)).map(({ mac }) => mac)
  return near
    .filter(({ mac, hasAnswered }) => hasAnswered && !routers.includes(mac))
    .map(({ address }) => address)
}
