/** What an operator gets when the configuration cannot be used: every mistake, where it is, and how to mend it. */

export interface ConfigIssue {
  /** The field: `routes[2].upstream`. Empty for the configuration as a whole. */
  readonly path: string
  readonly problem: string
  readonly cure: string
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly issues: readonly ConfigIssue[]

  /** @param hint to several of them, which is said once, at the end */
  constructor(issues: readonly ConfigIssue[], hint?: string) {
    super(describe(issues, hint))
    this.issues = issues
  }
}

function describe(issues: readonly ConfigIssue[], hint: string | undefined): string {
  const count = issues.length === 1 ? 'a mistake' : `${issues.length} mistakes`
  const lines = issues.map(({ path, problem, cure }) => `  ${path || 'it'} ${problem}\n    → ${cure}`)
  return [`The configuration has ${count}:`, ...lines, ...(hint === undefined ? [] : [hint])].join('\n\n')
}
