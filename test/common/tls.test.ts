import { renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { watchTls } from '../../src/common/tls.ts'
import { eventually } from '../support/wait.ts'

test('files that cannot be looked at for a while are read once they can be', async (t) => {
  const folder = t.testdir({ key: 'one', ca: 'one' })
  const [certificate, key, ca] = ['cert', 'key', 'ca'].map((name) => join(folder, name)) as [string, string, string]
  symlinkSync(certificate, certificate)
  let seen = ''
  t.teardown(watchTls({ certificate, key, ca }, (material) => (seen = material.cert.toString()), 10))
  writeFileSync(join(folder, 'new'), 'one')
  renameSync(join(folder, 'new'), certificate)
  await eventually(() => seen === 'one')
})
