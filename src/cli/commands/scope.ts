import type { Command } from 'commander'
import type { Query } from '../api.ts'

export interface ScopeOptions {
  app?: string
  space?: string
  org?: string
}

/** The options that narrow a list down to an organization, a space or an app. */
export function scoped(command: Command, { app = true } = {}): Command {
  if (app) command.option('--app <name>', 'only those of this app (name or guid)')
  return command
    .option('--space <name>', 'only those of this space (name or guid)')
    .option('--org <name>', 'only those of this organization (name or guid)')
}

export const scopeQuery = ({ app, space, org }: ScopeOptions): Query => ({ app, space, organization: org })
