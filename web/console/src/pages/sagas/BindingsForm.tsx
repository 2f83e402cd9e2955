import { NativeSelect, Table, Text, Textarea, TextInput } from '@mantine/core'
import { useWords } from '@/i18n'
import { Mark } from '@/shared/StatusBadge.tsx'
import { noBinding, type Binding, type Bindings, type Service } from './importing.ts'
import classes from './sagas.module.css'
import { words } from './words.ts'

export interface BindingsFormProps {
  readonly services: readonly Service[]
  readonly bindings: Bindings
  readonly onBindings: (bindings: Bindings) => void
  /** Bindings that the form cannot show, as their text. */
  readonly raw: string | undefined
  readonly onRaw: (text: string) => void
}

/** BindingsForm asks where the services of a state machine are. */
export function BindingsForm({ services, bindings, onBindings, raw, onRaw }: BindingsFormProps) {
  const t = useWords(words)
  if (raw !== undefined) {
    return (
      <Textarea
        label={t('bindingsRaw')}
        description={t('bindingsRawHelp')}
        value={raw}
        autosize
        minRows={4}
        maxRows={12}
        spellCheck={false}
        classNames={{ input: 'mono' }}
        onChange={(event) => onRaw(event.currentTarget.value)}
      />
    )
  }
  const names = ['', ...services.map((service) => service.name)]
  return (
    <section aria-label={t('services')}>
      <Text fw={600}>{t('services')}</Text>
      <Text size="sm" c="dimmed" mb="xs">
        {t('servicesText')}
      </Text>
      <Table.ScrollContainer minWidth={640}>
        <Table verticalSpacing={6}>
          <Table.Tbody>
            {names.map((name) => (
              <Row
                key={name}
                name={name}
                service={services.find((each) => each.name === name)}
                binding={bindings[name] ?? noBinding}
                onBinding={(next) => onBindings({ ...bindings, [name]: next })}
              />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  )
}

const methods = ['POST', 'PUT', 'PATCH', 'GET', 'DELETE']

interface RowProps {
  name: string
  service: Service | undefined
  binding: Binding
  onBinding: (binding: Binding) => void
}

function Row({ name, service, binding, onBinding }: RowProps) {
  const t = useWords(words)
  const shown = name || t('default')
  const set = (part: Partial<Binding>) => onBinding({ ...binding, ...part })
  return (
    <Table.Tr>
      <Table.Td className={classes['service']}>
        <span className={name ? 'mono' : undefined}>{shown}</span>
        <Text size="xs" c="dimmed">
          {service ? t('calledBy', { states: service.states.join(', ') }) : t('defaultHelp')}
        </Text>
      </Table.Td>
      <Table.Td w={110}>
        <NativeSelect
          size="xs"
          aria-label={t('kindOf', { service: shown })}
          value={binding.kind}
          onChange={(event) => set({ kind: event.currentTarget.value as Binding['kind'] })}
          data={(['call', 'worker', 'message'] as const).map((value) => ({ value, label: t(value) }))}
        />
      </Table.Td>
      <Table.Td w={100}>
        {binding.kind === 'call' && (
          <NativeSelect
            size="xs"
            aria-label={t('methodOf', { service: shown })}
            value={binding.method}
            onChange={(event) => set({ method: event.currentTarget.value })}
            data={methods}
          />
        )}
        {binding.kind === 'message' && (
          <TextInput
            size="xs"
            aria-label={t('replyOf', { service: shown })}
            placeholder={t('reply')}
            value={binding.reply}
            onChange={(event) => set({ reply: event.currentTarget.value })}
          />
        )}
      </Table.Td>
      <Table.Td>
        <TextInput
          size="xs"
          aria-label={t('targetOf', { service: shown })}
          value={binding.target}
          classNames={{ input: 'mono' }}
          spellCheck={false}
          placeholder={binding.kind === 'call' ? 'http://orders:8080/{service}/{method}' : ''}
          onChange={(event) => set({ target: event.currentTarget.value })}
        />
      </Table.Td>
      <Table.Td w={110}>
        {service?.target && <Mark tone="good" text={t('bound')} help={service.target} />}
        {service && !service.target && <Mark tone="warn" text={t('unbound')} />}
      </Table.Td>
    </Table.Tr>
  )
}
