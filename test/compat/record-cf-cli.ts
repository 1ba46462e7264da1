// Records the real cf CLI against `npm start`, the one whose ready.json is named or one of its own: CF_CLI=/path/to/cf node
// test/compat/record-cf-cli.ts [READY.JSON] Every command must end as its line says. Rewrites test/compat/recordings/cf-cli.ndjson, which
// cf-cli.test.ts replays.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Ready } from '../../src/start/ready.ts'
import { Recorder, type Exchange } from '../support/recorder.ts'
import { Started } from '../support/started.ts'
import { commands, manifest } from './cf-commands.ts'

const cli = process.env['CF_CLI'] ?? 'cf'
const home = mkdtempSync(join(tmpdir(), 'cf-'))
const running = process.argv[2]
const started = running ? undefined : await new Started(['--no-sample']).ready()
const { urls, credentials, domains } = started?.info ?? (JSON.parse(readFileSync(running!, 'utf8')) as Ready)
const lines: string[] = []
const differences: string[] = []
let last: string | undefined
const recorder = await Recorder.start(urls.cloudController, (exchange: Exchange) => {
  const line = JSON.stringify(exchange)
  // Of a poll that hears the same again, once is enough.
  if (line !== last) lines.push((last = line))
})

function run(args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    const env = { ...process.env, CF_HOME: home, CF_COLOR: 'false', LANG: 'C', CF_STAGING_TIMEOUT: '1', CF_STARTUP_TIMEOUT: '1' }
    execFile(cli, args, { env, cwd: home, timeout: 120_000 }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    )
  })
}

try {
  cpSync(resolve(import.meta.dirname, '../../examples/hello'), join(home, 'app'), { recursive: true })
  writeFileSync(join(home, 'manifest.yml'), manifest(domains))
  const { output: version } = await run(['version'])
  lines.push(
    JSON.stringify({
      program: 'cf CLI',
      version: version.trim().replace('cf version ', ''),
      date: new Date().toISOString().slice(0, 10),
      domains: domains,
    }),
  )
  for (const { line, fails, says } of commands({ api: recorder.url, ...credentials, ...domains })) {
    lines.push(JSON.stringify({ command: `cf ${line.replaceAll(credentials.password, 'PASSWORD').replaceAll(recorder.url, 'API')}` }))
    last = undefined
    const { code, output } = await run(line.split(' '))
    process.stdout.write(`cf ${line}\n${output}\n`)
    if (code !== (fails ? 1 : 0)) differences.push(`cf ${line}: exit code ${code}`)
    if (says && !says.test(output)) differences.push(`cf ${line}: does not say ${says}`)
  }
} finally {
  await recorder.stop()
  await started?.discard()
  rmSync(home, { recursive: true, force: true })
}
const text = lines.join('\n').replaceAll(recorder.url, 'http://CC').replaceAll(credentials.password, 'PASSWORD')
writeFileSync(join(import.meta.dirname, 'recordings/cf-cli.ndjson'), `${text}\n`)
console.log(`${lines.length} lines, ${text.length} bytes\n${differences.join('\n') || 'every command ended as it should'}`)
process.exitCode = differences.length ? 1 : 0
