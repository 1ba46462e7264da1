import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'tap'

const full = '/dev/full'

test('a program goes on when its log cannot be written', { skip: !existsSync(full) && `${full} is absent` }, async (t) => {
  const log = openSync(full, 'w')
  const script = `
    import { createLogger } from ${JSON.stringify(resolve(import.meta.dirname, '../../src/common/log.ts'))}
    const log = createLogger('test')
    let lines = 0
    const timer = setInterval(() => {
      log.info('a line')
      if (++lines === 20) { clearInterval(timer); process.stderr.write('went on'); process.reallyExit(0) }
    }, 5)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: ['ignore', log, 'pipe'] })
  closeSync(log)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 0)
  t.equal(errors, 'went on')
})
