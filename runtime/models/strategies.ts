// Chooses a model for a task: strategies over complexity, quality and estimated tokens. Pure; whether the
// model can be used here is checked elsewhere.

export const strategies = ['aggressive', 'balanced', 'conservative'] as const
const complexities = ['simple', 'moderate', 'complex'] as const
const qualities = ['low', 'normal', 'high', 'critical'] as const

/** aggressive: cheap above all. balanced: by the task. conservative: a strong model only if critical. */
export type Strategy = (typeof strategies)[number]
export type Complexity = (typeof complexities)[number]
export type Quality = (typeof qualities)[number]

/** Levels of price and strength. Their models: `models.tiers`. */
export type Tier = 'economical' | 'standard' | 'strong'
export type Tiers = Readonly<Record<Tier, string>>

export const defaultTiers: Tiers = {
  economical: 'groq/llama-3.3-70b-versatile',
  standard: 'gpt-3.5-turbo',
  strong: 'gpt-4o',
}

/** From this many tokens on, aggressive leaves the economical model. */
const MANY_TOKENS = 100_000

export interface Demand {
  readonly complexity: Complexity
  readonly quality: Quality
  /** Estimate for the whole task, input and output. */
  readonly tokens: number
}

export function tierFor(strategy: Strategy, { complexity, quality, tokens }: Demand): Tier {
  switch (strategy) {
    case 'aggressive':
      return tokens < MANY_TOKENS ? 'economical' : 'standard'
    case 'balanced':
      if (complexity === 'simple' && quality === 'low') return 'economical'
      return complexity === 'complex' && (quality === 'high' || quality === 'critical')
        ? 'strong'
        : 'standard'
    case 'conservative':
      return quality === 'critical' ? 'strong' : 'standard'
  }
}

/** Tiers to try if a tier's model can't be used: stronger ones first, then the weaker ones. */
const substitutes: Readonly<Record<Tier, readonly Tier[]>> = {
  economical: ['economical', 'standard', 'strong'],
  standard: ['standard', 'strong', 'economical'],
  strong: ['strong', 'standard', 'economical'],
}

/** The models to try, in their order, each once. */
export function modelsFor(tier: Tier, tiers: Tiers): string[] {
  return [...new Set(substitutes[tier].map((each) => tiers[each]))]
}
