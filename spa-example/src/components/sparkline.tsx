/** A line of numbers, oldest on the left. */

const width = 600
const height = 120
const places = 60
/** Above and below the line, in its own unit: what hardly changes is not shown as mountains. */
const margin = 4

export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const lowest = Math.min(...values) - margin
  const highest = Math.max(...values) + margin
  const points = values.map((value, index) => {
    const x = ((index + places - values.length) / (places - 1)) * width
    const y = height - ((value - lowest) / (highest - lowest)) * height
    return `${x.toFixed(1)},${y.toFixed(1)}`
  })
  return (
    <svg className="sparkline" viewBox={`0 -4 ${width} ${height + 8}`} preserveAspectRatio="none" role="img">
      <title>{label}</title>
      {[0.25, 0.5, 0.75].map((share) => (
        <line key={share} x1="0" x2={width} y1={share * height} y2={share * height} />
      ))}
      <polyline points={points.join(' ')} />
    </svg>
  )
}
