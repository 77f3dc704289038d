import { type EntryName, entriesOf, entryNames } from "./names.ts"

/** A file of an image: its path with `/` between folders, and what is in it. */
export interface ImageFile {
  readonly path: string
  readonly content: Uint8Array
}

export interface FileNode {
  readonly kind: "file"
  readonly content: Uint8Array
}

export interface FolderNode {
  readonly kind: "folder"
  /** In the order in which they lie on the disk. */
  readonly entries: readonly { readonly name: EntryName; readonly node: FileNode | FolderNode }[]
  /** Directory entries that it takes, its own `.` and `..` not among them. */
  readonly places: number
}

/** A path that cannot be on a FAT file system. The message is a sentence. */
export class ImagePathError extends Error {
  override readonly name = "ImagePathError"
  readonly path: string

  constructor(path: string, reason: string) {
    super(`${JSON.stringify(path)} cannot be a file of a FAT image: ${reason}`)
    this.path = path
  }
}

type Draft = Map<string, { readonly name: string; readonly node: Uint8Array | Draft }>

/** The folders that files are in. Equal files give an equal tree, in whatever order they are given. */
export function treeOf(files: readonly ImageFile[]): FolderNode {
  const root: Draft = new Map()
  for (const { path, content } of files) {
    const parts = parsePath(path)
    const last = parts.pop()!
    let folder = root
    for (const part of parts) folder = descend(folder, part, path)
    const there = folder.get(keyOf(last))
    if (there !== undefined)
      throw new ImagePathError(
        path,
        `there is ${JSON.stringify(there.name)} already, and letter case does not tell names apart`,
      )
    folder.set(keyOf(last), { name: last, node: content })
  }
  return settle(root)
}

/** FAT's names differ by more than letter case. */
const keyOf = (name: string): string => name.toUpperCase()

function descend(folder: Draft, name: string, path: string): Draft {
  const there = folder.get(keyOf(name))
  if (there?.node instanceof Uint8Array)
    throw new ImagePathError(path, `${JSON.stringify(there.name)} is a file and no folder`)
  if (there) return there.node
  const made: Draft = new Map()
  folder.set(keyOf(name), { name, node: made })
  return made
}

function settle(draft: Draft): FolderNode {
  const children = [...draft.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const names = entryNames(children.map(({ name }) => name))
  const entries = children.map(({ name, node }) => ({
    name: names.get(name)!,
    node: node instanceof Uint8Array ? ({ kind: "file", content: node } as const) : settle(node),
  }))
  const places = entries.reduce((sum, { name }) => sum + entriesOf(name), 0)
  return { kind: "folder", entries, places }
}

function parsePath(path: string): string[] {
  const parts = path.replace(/^\//, "").split("/")
  for (const part of parts) {
    if (part === "" || part === "." || part === "..")
      throw new ImagePathError(path, "a path is made of names with a slash between them")
    if (/[\0-\x1f"*:<>?\\|\x7f]/.test(part) || !part.isWellFormed())
      throw new ImagePathError(path, 'a name holds no control character and none of " * : < > ? \\ |')
    if (/[. ]$/.test(part) || /^ /.test(part))
      throw new ImagePathError(path, "a name neither ends in a dot or blank nor begins with a blank")
    if (part.length > 255) throw new ImagePathError(path, "a name has at most 255 letters")
  }
  return parts
}
