/** Bytes of a sector; every reader of FAT knows these. */
export const SECTOR = 512
/** Bytes of a directory entry. */
export const ENTRY = 32
const MiB = 1024 * 1024

/** Width of an entry of the file allocation table. The number of clusters alone decides it, for whoever reads it. */
export type FatType = 12 | 16 | 32

/** Where everything is. Numbers are sectors unless they say otherwise. */
export interface Geometry {
  readonly type: FatType
  readonly total: number
  readonly sectorsPerCluster: number
  readonly reserved: number
  /** Of one table; there are two. */
  readonly tableSectors: number
  /** Places in the root directory; on FAT32 it is a file like others, and this is 0. */
  readonly rootEntries: number
  /** Where cluster 2, the first, lies. */
  readonly dataStart: number
  readonly clusters: number
}

export const TABLES = 2

/** The most clusters of a type (Microsoft, FAT: General Overview of On-Disk Format 1.03, page 14), less its last ones. */
const MOST: Record<FatType, number> = { 12: 4084, 16: 65_524, 32: 0x0fff_fff4 }
const LEAST: Record<FatType, number> = { 12: 1, 16: 4085, 32: 65_525 }

/**
 * Lays a file system out. From 4 MiB on it is FAT16, which MirageOS reads (its library takes FAT12 for FAT16), and
 * from 512 MiB on FAT32, as mkfs.fat(8) does it. `size` is in bytes; `rootEntries` is what the root directory needs.
 */
export function layOut(size: number, rootEntries: number): Geometry {
  const type: FatType = size < 4 * MiB ? 12 : size < 512 * MiB ? 16 : 32
  const total = Math.floor(size / SECTOR)
  for (let sectorsPerCluster = type === 32 ? 8 : 1; sectorsPerCluster <= 64; sectorsPerCluster *= 2) {
    const geometry = withClusters(type, total, sectorsPerCluster, rootEntries)
    if (geometry.clusters >= LEAST[type] && geometry.clusters <= MOST[type]) return geometry
  }
  throw new RangeError(`no FAT${type} has ${size} bytes`)
}

function withClusters(type: FatType, total: number, sectorsPerCluster: number, entries: number): Geometry {
  const reserved = type === 32 ? 32 : 1
  const perSector = SECTOR / ENTRY
  const rootEntries = type === 32 ? 0 : Math.max(512, Math.ceil(entries / perSector) * perSector)
  const rootSectors = (rootEntries * ENTRY) / SECTOR
  // A table for all the space that is left is large enough for the clusters that remain beside it.
  const atMost = Math.floor((total - reserved - rootSectors) / sectorsPerCluster)
  const tableSectors = Math.ceil(((atMost + 2) * type) / 8 / SECTOR)
  const dataStart = reserved + TABLES * tableSectors + rootSectors
  const clusters = Math.floor((total - dataStart) / sectorsPerCluster)
  return { type, total, sectorsPerCluster, reserved, tableSectors, rootEntries, dataStart, clusters }
}

/** Bytes of a cluster. */
export function clusterSize({ sectorsPerCluster }: Geometry): number {
  return sectorsPerCluster * SECTOR
}
