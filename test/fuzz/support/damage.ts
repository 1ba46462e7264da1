import * as fc from 'fast-check'

type Damage = { kind: 'cut' | 'flip' | 'insert' | 'repeat' | 'remove'; at: number; length: number; bytes: Uint8Array }

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('cut', 'flip', 'insert', 'repeat', 'remove'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 40 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
})

/** Bytes that made sense until some of them were cut off, changed, put in, repeated or taken out; now and then they still do. */
export function damaged(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  return fc.tuple(valid, fc.array(damage, { maxLength: 4 })).map(([bytes, damages]) => damages.reduce(harm, Buffer.from(bytes)))
}

/** Text that made sense until it was damaged. */
export function damagedText(valid: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return damaged(valid.map((text) => Buffer.from(text)))
}

function harm(bytes: Buffer, { kind, at: share, length, bytes: more }: Damage): Buffer {
  const at = Math.floor(share * bytes.length)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  if (kind === 'cut') return before
  if (kind === 'insert') return Buffer.concat([before, more, after])
  if (kind === 'repeat') return Buffer.concat([before, after.subarray(0, length), after])
  if (kind === 'remove') return Buffer.concat([before, after.subarray(length)])
  return Buffer.concat([
    before,
    Buffer.from(after.subarray(0, more.length).map((byte, i) => byte ^ (more[i] ?? 0))),
    after.subarray(more.length),
  ])
}
