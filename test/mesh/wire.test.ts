import { test } from 'tap'
import { fieldValues } from '../../src/mesh/wire.ts'

test("several values of one of Envoy's inline headers are one, without the empty ones", async (t) => {
  t.strictSame(fieldValues('user-agent', ['.', '']), ['.'])
  t.strictSame(fieldValues('user-agent', ['', 'a', '', 'b']), ['a,b'])
  t.strictSame(fieldValues('user-agent', ['', '']), [''])
  t.strictSame(fieldValues('x-a', ['', 'a']), ['', 'a'])
})
