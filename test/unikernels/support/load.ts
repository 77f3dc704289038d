// node load.ts URL TOTAL WIDTH keep|close: prints {"failed": [reason…], "slowest": ms} as JSON.
import { argv } from "node:process"
import { load } from "./requests.ts"

/** Milliseconds: longer than Linux tries to connect (tcp_syn_retries of tcp(7): 127 s), so that it is who gives up. */
const PATIENCE = 130_000

const [url = "", total = "0", width = "1", connection = "close"] = argv.slice(2)
console.log(JSON.stringify(await load(url, Number(total), Number(width), connection === "keep", PATIENCE)))
