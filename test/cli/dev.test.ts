import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Harness } from '../foundation/harness.ts'
import { zipFolder } from '../../src/cli/dev/package.ts'
import { runMeshctl } from './meshctl.ts'

test('that Cloud Controller is away, or there is nothing to push, is a sentence', async (t) => {
  const folder = t.testdir()
  const credentials = { user: 'admin', password: 'secret' }
  const gone = { urls: { cloudController: 'http://127.0.0.1:1' }, credentials, organization: 'o', space: 's' }
  writeFileSync(join(folder, 'ready.json'), JSON.stringify(gone))
  t.match(await runMeshctl(['dev', 'apps'], { environment: { MESH_DATA: folder } }), {
    code: 3,
    err: /^meshctl: http:\/\/127\.0\.0\.1:1 does not answer \(.*ECONNREFUSED.*\); is it running\?\n$/,
  })
  await t.rejects(zipFolder('/nonexistent'), { code: 'MESHCTL_FILE_UNREADABLE', message: /--path: cannot read \/nonexistent: ENOENT/ })
})

test('each command on an app says in one line what it has done', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  await harness.push(admin, space, 'web')
  const folder = t.testdir()
  writeFileSync(
    join(folder, 'ready.json'),
    JSON.stringify({
      urls: { cloudController: harness.url },
      credentials: { user: 'admin', password: 'admin-secret' },
      organization: 'o',
      space: 's',
    }),
  )
  const dev = (...args: string[]) => runMeshctl(['dev', ...args], { environment: { MESH_DATA: folder } })
  const said = async (expected: string, ...args: string[]): Promise<void> =>
    void t.strictSame(await dev(...args), { code: 0, out: `${expected}\n`, err: '' }, args.join(' '))
  await said('app/web mapped to web.apps.test/a', 'map', 'web', 'web.apps.test/a')
  await said('app/web unmapped from web.apps.test/a', 'unmap', 'web', 'web.apps.test/a')
  await said('app/web scaled to 1 instance', 'scale', 'web', '1')
  await said('app/web scaled to 0 instances', 'scale', 'web', '0')
  await said('app/web stopped', 'stop', 'web')
  await said('app/web started', 'start', 'web')
  await said('app/web deleted', 'delete', 'web')
  t.match(await dev('stop', 'web'), { code: 1, out: '', err: /there is no app web/ })
})
