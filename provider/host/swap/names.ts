import { createHash } from "node:crypto"

/** Eight hex digits that stand for a domain in the names of interfaces, which have 15 characters at most. */
const tag = (domain: string): string => createHash("sha256").update(domain).digest("hex").slice(0, 8)

/** The bridge a domain's new generation is started and checked on. Its namespace has the same name. */
export function stagingBridge(domain: string): string {
  return `xs${tag(domain)}`
}

/** The table of nftables (family netdev) that steers a domain's frames during its update. */
export function steeringTable(domain: string): string {
  return `pulumi_xen_${tag(domain)}`
}

/** The hotplug script of what starts on a staging bridge, in xl's directory of scripts (XEN_SCRIPT_DIR). */
export const STAGED_VIF_SCRIPT = "/etc/xen/scripts/vif-pulumi-xen"
