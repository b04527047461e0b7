"""stores/redis"""
