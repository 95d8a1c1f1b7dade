/** The printable character that stands for each byte in a byte-level vocabulary. */
export function byteCharacters(): string[] {
  let shifted = 0
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCharCode(printable ? byte : 256 + shifted++)
  })
}
