import type { TextRule } from "../rpc/declare.ts"
import type { ConnectionInput } from "./connection.ts"

export interface ImportId {
  readonly connection: ConnectionInput
  /** The last part: what the resource is called on the host. */
  readonly name: string
}

/**
 * Reads the id of `pulumi import`: `ssh://user@host:port/COLLECTION/NAME`. User and port may be left out; the rest of
 * how the host is reached comes from ssh_config and the provider's configuration. Throws a sentence.
 */
export function parseImportId(id: string, collection: string, rule: TextRule): ImportId {
  const form = `ssh://root@host:22/${collection}/NAME`
  const wanted = (seen: string): Error => new Error(`the id to import must look like ${form}; ${seen}`)
  const match =
    /^ssh:\/\/(?:([^@/:\s]+)@)?(\[[0-9A-Fa-f:.%]+\]|[^@/:\s[\]]+)(?::(\d+))?\/([^/]+)\/([^/]+)$/.exec(id)
  if (match === null) throw wanted(`${JSON.stringify(id)} does not`)
  const [, user, host, port, found, name] = match
  if (found !== collection) throw wanted(`${JSON.stringify(id)} names ${JSON.stringify(found)}`)
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) throw wanted(`${port} is no TCP port`)
  if (!new RegExp(`^(?:${rule.pattern.source})$`).test(name!)) throw wanted(`NAME must be ${rule.says}`)
  const address = host!.replace(/^\[|\]$/g, "")
  return {
    connection: { host: address, ...(user && { user }), ...(port && { port: Number(port) }) },
    name: name!,
  }
}
