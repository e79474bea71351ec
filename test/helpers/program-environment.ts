/** The environment in which a test starts the program: the test's own, without what tap has Node do for tests (coverage, hooks). */
export const programEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|NODE_V8_COVERAGE|_TAPJS_|TAP)/.test(name)))
