import { createHash } from "node:crypto"
import { clusterSize, ENTRY, type FatType, type Geometry, layOut, SECTOR, TABLES } from "./geometry.ts"
import { longEntries } from "./names.ts"
import { type FileNode, type FolderNode, type ImageFile, treeOf } from "./tree.ts"

const MiB = 1024 * 1024

/** The files do not fit into the size that was asked for. The message is a sentence. */
export class ImageTooSmallError extends Error {
  override readonly name = "ImageTooSmallError"
  /** MiB that suffice. */
  readonly needed: number

  constructor(size: number, needed: number) {
    super(`an image of ${size / MiB} MiB is too small for its files: it needs ${needed} MiB`)
    this.needed = needed
  }
}

/**
 * A FAT file system with these files, and nothing else: the same files give the same bytes. `size` is in bytes, whole
 * MiB; without it the image is as large as its files need, and at least 4 MiB.
 *
 * @throws {@link ImageTooSmallError}, and `ImagePathError` for a name that FAT cannot hold
 */
export function fatImage(files: readonly ImageFile[], size?: number): Buffer {
  const root = treeOf(files)
  const needed = sizeFor(root)
  if (size !== undefined && !fits(root, size)) throw new ImageTooSmallError(size, needed / MiB)
  return new Writer(root, layOut(size ?? needed, root.places), volumeId(files)).write()
}

function sizeFor(root: FolderNode): number {
  const content = contentOf(root)
  let size = Math.max(4 * MiB, Math.floor(content / MiB) * MiB)
  while (!fits(root, size)) size += MiB
  return size
}

function fits(root: FolderNode, size: number): boolean {
  const geometry = layOut(size, root.places)
  return clustersOf(root, geometry, true) <= geometry.clusters
}

function contentOf(node: FileNode | FolderNode): number {
  if (node.kind === "file") return node.content.length
  return node.entries.reduce((sum, { node }) => sum + contentOf(node), 0)
}

function clustersOf(node: FileNode | FolderNode, geometry: Geometry, isRoot = false): number {
  if (node.kind === "file") return Math.ceil(node.content.length / clusterSize(geometry))
  const inside = node.entries.reduce((sum, { node }) => sum + clustersOf(node, geometry), 0)
  return inside + folderClusters(node, geometry, isRoot)
}

/** A folder has at least one cluster; the root of FAT12 and FAT16 lies outside of them. */
function folderClusters({ places }: FolderNode, geometry: Geometry, isRoot: boolean): number {
  if (isRoot && geometry.type !== 32) return 0
  const own = isRoot ? 0 : 2
  return Math.max(1, Math.ceil(((places + own) * ENTRY) / clusterSize(geometry)))
}

/** A volume has a serial number, which others take from the clock. */
function volumeId(files: readonly ImageFile[]): number {
  const hash = createHash("sha256")
  for (const { path, content } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1)))
    hash.update(`${path}\0${content.length}\0`).update(content)
  return hash.digest().readUInt32LE(0)
}

const DIRECTORY = 0x10
const ARCHIVE = 0x20
/** 1 January 1980, FAT's first day: an image has no time of its own. */
const DATE = 0x21

class Writer {
  readonly #root: FolderNode
  readonly #geometry: Geometry
  readonly #id: number
  readonly #image: Buffer
  #next = 2

  constructor(root: FolderNode, geometry: Geometry, id: number) {
    this.#root = root
    this.#geometry = geometry
    this.#id = id
    this.#image = Buffer.alloc(geometry.total * SECTOR)
  }

  write(): Buffer {
    const { type, reserved, tableSectors } = this.#geometry
    this.#entry(0, type === 12 ? 0xff8 : type === 16 ? 0xfff8 : 0x0ffffff8)
    this.#entry(1, lastOf(type))
    if (type === 32) {
      const cluster = this.#allocate(folderClusters(this.#root, this.#geometry, true))
      this.#folder(this.#root, this.#place(cluster), undefined)
    } else this.#folder(this.#root, (reserved + TABLES * tableSectors) * SECTOR, undefined)
    this.#bootSector()
    const table = reserved * SECTOR
    this.#image.copy(this.#image, table + tableSectors * SECTOR, table, table + tableSectors * SECTOR)
    return this.#image
  }

  /** Writes a folder's entries from `offset` on, and all that is in it. `self` is absent for the root. */
  #folder(folder: FolderNode, offset: number, self: { cluster: number; parent: number } | undefined): void {
    let at = offset
    const put = (entry: Buffer): void => {
      entry.copy(this.#image, at)
      at += ENTRY
    }
    if (self) {
      put(shortEntry(".          ", DIRECTORY, self.cluster, 0))
      put(shortEntry("..         ", DIRECTORY, self.parent, 0))
    }
    for (const { name, node } of folder.entries) {
      for (const entry of longEntries(name)) put(entry)
      if (node.kind === "file") {
        put(shortEntry(name.short, ARCHIVE, this.#file(node.content), node.content.length))
      } else {
        const cluster = this.#allocate(folderClusters(node, this.#geometry, false))
        put(shortEntry(name.short, DIRECTORY, cluster, 0))
        // The parent of a folder in the root is cluster 0 by definition, wherever the root lies.
        this.#folder(node, this.#place(cluster), { cluster, parent: self?.cluster ?? 0 })
      }
    }
  }

  #file(content: Uint8Array): number {
    if (content.length === 0) return 0
    const cluster = this.#allocate(Math.ceil(content.length / clusterSize(this.#geometry)))
    this.#image.set(content, this.#place(cluster))
    return cluster
  }

  /** A run of clusters, chained; its first. */
  #allocate(count: number): number {
    const first = this.#next
    this.#next += count
    for (let cluster = first; cluster < this.#next; cluster++)
      this.#entry(cluster, cluster + 1 < this.#next ? cluster + 1 : lastOf(this.#geometry.type))
    return first
  }

  #place(cluster: number): number {
    return this.#geometry.dataStart * SECTOR + (cluster - 2) * clusterSize(this.#geometry)
  }

  #entry(cluster: number, value: number): void {
    const { type, reserved } = this.#geometry
    const table = reserved * SECTOR
    if (type === 16) this.#image.writeUInt16LE(value, table + 2 * cluster)
    else if (type === 32) this.#image.writeUInt32LE(value, table + 4 * cluster)
    else {
      // Two entries share three bytes.
      const at = table + cluster + (cluster >> 1)
      const both = this.#image.readUInt16LE(at)
      const odd = cluster % 2 === 1
      this.#image.writeUInt16LE(odd ? (both & 0x000f) | (value << 4) : (both & 0xf000) | value, at)
    }
  }

  #bootSector(): void {
    const { type, total, sectorsPerCluster, reserved, tableSectors, rootEntries } = this.#geometry
    const boot = this.#image.subarray(0, SECTOR)
    boot.set(type === 32 ? [0xeb, 0x58, 0x90] : [0xeb, 0x3c, 0x90])
    boot.write("MSWIN4.1", 3, "latin1")
    boot.writeUInt16LE(SECTOR, 11)
    boot[13] = sectorsPerCluster
    boot.writeUInt16LE(reserved, 14)
    boot[16] = TABLES
    boot.writeUInt16LE(rootEntries, 17)
    const isSmall = total < 0x10000 && type !== 32
    boot.writeUInt16LE(isSmall ? total : 0, 19)
    boot[21] = 0xf8
    boot.writeUInt16LE(type === 32 ? 0 : tableSectors, 22)
    boot.writeUInt16LE(32, 24)
    boot.writeUInt16LE(64, 26)
    boot.writeUInt32LE(isSmall ? 0 : total, 32)
    if (type === 32) {
      boot.writeUInt32LE(tableSectors, 36)
      boot.writeUInt32LE(2, 44)
      boot.writeUInt16LE(1, 48)
      boot.writeUInt16LE(6, 50)
    }
    const tail = type === 32 ? 64 : 36
    boot[tail] = 0x80
    boot[tail + 2] = 0x29
    boot.writeUInt32LE(this.#id, tail + 3)
    boot.write("NO NAME    ", tail + 7, "latin1")
    boot.write(`FAT${type}`.padEnd(8), tail + 18, "latin1")
    boot.writeUInt16LE(0xaa55, 510)
    if (type === 32) this.#informationSector()
  }

  /** FAT32 keeps the free clusters' number, and a copy of both sectors at sector 6. */
  #informationSector(): void {
    const info = this.#image.subarray(SECTOR, 2 * SECTOR)
    info.writeUInt32LE(0x41615252, 0)
    info.writeUInt32LE(0x61417272, 484)
    info.writeUInt32LE(this.#geometry.clusters - (this.#next - 2), 488)
    info.writeUInt32LE(this.#next, 492)
    info.writeUInt32LE(0xaa550000, 508)
    this.#image.copy(this.#image, 6 * SECTOR, 0, 2 * SECTOR)
  }
}

const lastOf = (type: FatType): number => (type === 12 ? 0xfff : type === 16 ? 0xffff : 0x0fffffff)

function shortEntry(short: string, attributes: number, cluster: number, size: number): Buffer {
  const entry = Buffer.alloc(ENTRY)
  entry.write(short, 0, "latin1")
  entry[11] = attributes
  entry.writeUInt16LE(DATE, 16)
  entry.writeUInt16LE(DATE, 18)
  entry.writeUInt16LE(cluster >>> 16, 20)
  entry.writeUInt16LE(DATE, 24)
  entry.writeUInt16LE(cluster & 0xffff, 26)
  entry.writeUInt32LE(size, 28)
  return entry
}
