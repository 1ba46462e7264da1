// monit PREFIX start|stop JOB: runs the start or stop program that the job's monit file names.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const [prefix = '', verb, job = ''] = process.argv.slice(2)
const program = new RegExp(`^ +${verb} program "([^"]+)"`, 'm').exec(readFileSync(join(prefix, 'jobs', job, 'monit'), 'utf8'))?.[1]
if (!program) throw new Error(`${job} has no ${verb} program`)
const [command = '', ...args] = program.split(' ')
process.exitCode = spawnSync(command, args, { stdio: 'inherit' }).status ?? 1
