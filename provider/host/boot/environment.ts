import type { Command } from "../../ssh/command.ts"

/** Variables of grubenv by their names; `undefined`: not set. */
export type Environment = Readonly<Record<string, string | undefined>>

const SET_AT_ONCE = `tool=$0 env=$1 aside=/run/pulumi-xen.grubenv; shift
edit() {
  file=$1; shift
  for one do case $one in *=*) "$tool" "$file" set "$one" ;; *) "$tool" "$file" unset "$one" ;; esac || return; done
}
cp "$env" "$aside" && edit "$aside" "$@" && dd if="$aside" of="$env" conv=notrunc,fsync status=none || edit "$env" "$@"`

/**
 * Sets variables of grubenv so that GRUB sees all of them from now on, whatever becomes of the power. grub-editenv gives the
 * file other blocks, which ext4's journal or XFS's log knows of for half a minute, and GRUB reads neither. So it edits a
 * copy, which is written over the blocks that GRUB knows.
 *
 * @param editor grub-editenv, as it is called on this host, and its file
 */
export function setAtOnce(editor: readonly [string, string], values: Environment): Command {
  const words = Object.entries(values).map(([name, value]) =>
    value === undefined ? name : `${name}=${value}`,
  )
  return ["sh", "-c", SET_AT_ONCE, ...editor, ...words]
}
