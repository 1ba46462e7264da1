import { setTimeout as delay } from 'node:timers/promises'
import type { DistortedScene } from '../scene.ts'
import type { Program, Router } from '../support/programs.ts'

/** One fault: what is done, for how long, and how it ends. Requests go on meanwhile, and on a distorted platform its changes. */
export interface Phase<Where = DistortedScene> {
  name: string
  /** Part of the short form. */
  short?: boolean
  /** Nothing at all may fail: all that goes away says so before. */
  orderly?: boolean
  run: (scene: Where, time: Times) => Promise<void>
}

/** How long faults last, milliseconds, and how much they touch. */
export interface Times {
  /** A program that is away. */
  away: number
  /** A program that is paused. */
  paused: number
  /** A neighbour that lies, or fails. */
  lying: number
  /** A Cloud Controller that lies, which may do so for long. */
  minutes: number
  /** How many apps are restarted. */
  apps: number
}

export async function restarted(program: Program, away: number): Promise<void> {
  await program.signal('SIGKILL')
  await delay(away)
  program.start()
  await program.lives()
}

export async function paused(program: Program, time: number): Promise<void> {
  await program.signal('SIGSTOP')
  await delay(time)
  await program.signal('SIGCONT')
}

export const routersOf = ({ programs }: Pick<DistortedScene, 'programs'>, engine: string): Router[] =>
  programs.routers.filter((router) => router.engine === engine)
