/**
 * Which bytes may stand where (RFC 9110, section 5.6.2, and RFC 9112): one table, looked up once a byte.
 *
 * @module
 */

const IS_TOKEN = 1;
const IS_VALUE = 2;
const IS_HOST = 4;

const CLASSES = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) CLASSES[byte]! |= IS_TOKEN;
  if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) CLASSES[byte]! |= IS_VALUE;
  if (/[0-9A-Za-z\-._~%!$&'()*+,;=]/.test(character)) CLASSES[byte]! |= IS_HOST;
}

/** Whether `byte` may stand in a method or in the name of a field. */
export function isTokenByte(byte: number): boolean {
  return (CLASSES[byte]! & IS_TOKEN) !== 0;
}

/** Whether `byte` may stand in the value of a field: visible, above ASCII, a space or a tab. */
export function isValueByte(byte: number): boolean {
  return (CLASSES[byte]! & IS_VALUE) !== 0;
}

/** Whether the character with this code may stand in a registered name (RFC 3986, section 3.2.2). */
export function isHostCharacter(code: number): boolean {
  return code < 256 && (CLASSES[code]! & IS_HOST) !== 0;
}
