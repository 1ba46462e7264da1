import { Output } from './output.ts'
import { runProgram } from './program.ts'

// A reader that has seen enough, `meshctl routes | head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
// What is under way goes on where nobody reads its warnings.
process.stderr.on('error', () => {})

process.exitCode = await runProgram(process.argv.slice(2), {
  out: new Output(process.stdout, process.env),
  err: new Output(process.stderr, process.env),
  environment: process.env,
  exitCode: 0,
})
