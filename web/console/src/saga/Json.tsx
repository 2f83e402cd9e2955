import classes from './saga.module.css'

/** Json shows a value as it is written, with a way to scroll to all of it. */
export function Json({ value, label }: { value: unknown; label: string }) {
  if (value === undefined) return <span className="dim">–</span>
  return (
    <pre className={classes['json']} tabIndex={0} role="region" aria-label={label}>
      {typeof value === 'string' ? value : JSON.stringify(value, null, 2)}
    </pre>
  )
}
