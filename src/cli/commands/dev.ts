import type { Register } from '../cli.ts'
import { devCommand } from '../dev/command.ts'

/** `dev …`: the everyday commands of `cf`, for who has no cf CLI. */
export const dev: Register = (program) => program.addCommand(devCommand())
