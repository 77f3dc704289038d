declare module "seek-bzip" {
  const Bunzip: {
    /** `multistream` reads on after the first stream's end, as bzip2 itself does. */
    decode(input: Uint8Array, output?: Uint8Array, multistream?: boolean): Uint8Array
  }
  export default Bunzip
}
