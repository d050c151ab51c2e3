/**
 * The frame format once more, as slowly and as plainly as `FORMAT.md` says it: the measure for the fast
 * encoder. It shares no code with the log.
 *
 * @module
 */

/** What goes into a frame. */
export interface ReferenceFrame {
  readonly segment: bigint;
  readonly sequence: bigint;
  readonly synced: bigint;
  readonly oldest: bigint;
  readonly previousCrc: number;
  readonly continues: boolean;
  readonly salt: readonly [number, number];
  readonly records: readonly { group: number; kind: number; payload: Uint8Array }[];
}

/** CRC-32C bit by bit. */
export function referenceCrc(bytes: readonly number[]): number {
  let register = 0xffffffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      register = register & 1 ? (register >>> 1) ^ 0x82f63b78 : register >>> 1;
    }
  }
  return ~register >>> 0;
}

/** The bytes of a frame. */
export function encodeReference(frame: ReferenceFrame): number[] {
  const records = frame.records.flatMap(({ group, kind, payload }) => [
    ...varint(group),
    kind,
    ...varint(payload.length),
    ...payload,
  ]);
  while (records.length % 8 !== 0) records.push(0);
  const directory = encodeDirectory(frame);
  const body = [...records, ...directory];
  const bodyCrc = referenceCrc([...seed(frame, 1), ...body]);
  const rest = [
    ...u32(bodyCrc),
    ...u32(64 + body.length),
    1,
    frame.continues ? 1 : 0,
    0,
    0,
    ...u32(directory.length),
    ...u32(frame.records.length),
    ...u64(frame.segment),
    ...u64(frame.sequence),
    ...u64(frame.synced),
    ...u64(frame.oldest),
    ...u32(frame.previousCrc),
    ...u32(0),
  ];
  return [...u32(referenceCrc([...seed(frame, 0), ...rest])), ...rest, ...body];
}

function encodeDirectory(frame: ReferenceFrame): number[] {
  const groups = [...new Set(frame.records.map(({ group }) => group))];
  const isListed = groups.length <= 1024;
  const listed = [...u32(isListed ? groups.length : 0xffffffff), ...(isListed ? groups.flatMap(u32) : [])];
  if (listed.length % 8 === 0) listed.push(0, 0, 0, 0);
  return [...u32(referenceCrc([...seed(frame, 1), ...listed])), ...listed];
}

/** What every CRC of a frame begins with: segment and one word of the salt. */
function seed({ segment, salt }: ReferenceFrame, word: 0 | 1): number[] {
  return [...u64(segment), ...u32(salt[word])];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

function u64(value: bigint): number[] {
  return [...u32(Number(value & 0xffffffffn)), ...u32(Number(value >> 32n))];
}
