/** After the run: the ten slowest files, how long all took, and one plain line of counts. */
export default class SummaryReporter {
  onRunComplete(_contexts, results) {
    const slowest = results.testResults
      .map(({ testFilePath, perfStats }) => ({ file: testFilePath, ms: perfStats.end - perfStats.start }))
      .sort((a, b) => b.ms - a.ms)
      .slice(0, 10);
    const lines = slowest.map(
      ({ file, ms }) => `  ${(ms / 1000).toFixed(1)} s  ${file.replace(`${process.cwd()}/`, '')}`,
    );
    const seconds = (Date.now() - results.startTime) / 1000;
    process.stdout.write(`\nThe slowest files, of ${seconds.toFixed(0)} s in all:\n${lines.join('\n')}\n\n`);
    process.stdout.write(
      `${results.numPassedTests} passed, ${results.numFailedTests + results.numRuntimeErrorTestSuites} failed\n`,
    );
  }
}
